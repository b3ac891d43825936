"""What was acknowledged survives: a kill, a full disk, a damaged write-ahead log."""

from __future__ import annotations

import errno
import logging
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from proxmon.errors import StoreUnavailableError
from proxmon.fleet import Host
from proxmon.samples import Sample
from storage import Store
from tests.builders import NOW, a_sample
from tests.counts import Count
from tests.storage.conftest import ask_file

KILLS = 200 if os.environ.get("PROXMON_SOAK") else 3
ACKNOWLEDGED_BEFORE_A_KILL = 120


def test_every_acknowledged_sample_survives_a_kill_exactly_once(
    store: Store, host: Host, directory: Path, count: Count
) -> None:
    store.close()
    acknowledged: set[int] = set()
    for _ in range(KILLS):
        acknowledged |= run_and_kill(directory, start=max(acknowledged, default=-1) + 1000)
    Store.open(directory).close()
    rows = ask_file(directory, f"SELECT epoch(collected_at)::BIGINT - {int(NOW.timestamp())} FROM samples")
    numbers = [number for (number,) in rows]
    missing, twice = len(acknowledged - set(numbers)), len(numbers) - len(set(numbers))
    told = {"samples_acknowledged": len(acknowledged), "missing": missing, "there_twice": twice}
    count("kill -9 of a program that stores", kills=KILLS, **told)
    assert len(numbers) == len(set(numbers))
    assert acknowledged <= set(numbers)
    assert ask_file(directory, "SELECT count(*) FROM host_samples") == [(len(numbers),)]
    # What a kill leaves half written is no damage.
    assert not list(directory.glob("*.damaged-*"))


def run_and_kill(directory: Path, start: int) -> set[int]:
    """Run the writer, kill it once it has acknowledged enough, and return all that it had acknowledged by then."""
    program = [sys.executable, "-m", "tests.storage.crash_writer", str(directory), str(start)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(ACKNOWLEDGED_BEFORE_A_KILL)]
        writer.kill()
        # A line that the kill cut short has no end, and its sample was not acknowledged to anybody.
        lines += writer.stdout.readlines()
    return {int(line) for line in lines if line.endswith("\n")}


LOGGED = {
    "journal": "",
    "commit": r"samples wait in the journal: .*fleet\.duckdb\.wal\": File too large",
    "checkpoint": r"the database cannot be read\n.*could not be checkpointed: .*fleet\.duckdb\": File too large\n"
    r"(.*\n)*the store was opened again after a fatal error\n(.*\n)*the database was checkpointed\n",
}


@pytest.mark.parametrize("way", LOGGED)
def test_a_full_disk_loses_nothing_and_the_store_works_again_when_there_is_room(
    store: Store, host: Host, directory: Path, way: str, count: Count
) -> None:
    store.close()
    program = [sys.executable, "-m", "tests.storage.disk_writer", way, str(directory)]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "refused" in ended.stdout
    assert re.search(LOGGED[way], ended.stderr)
    acknowledged = [int(line) for line in ended.stdout.splitlines() if line.isdigit()]
    rows = ask_file(directory, f"SELECT epoch(collected_at)::BIGINT - {int(NOW.timestamp())} FROM samples")
    stored = [number for (number,) in rows]
    missing, twice = len(set(acknowledged) - set(stored)), len(stored) - len(set(stored))
    count("a full disk", times=1, samples_acknowledged=len(acknowledged), missing=missing, there_twice=twice)
    assert sorted(stored) == acknowledged
    assert not list(directory.glob("*.damaged-*"))
    assert ask_file(directory, "SELECT count(*) FROM host_samples") == [(len(acknowledged),)]


def test_a_log_that_is_damaged_is_recovered_up_to_there_and_kept_aside(
    store: Store, host: Host, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = copy_after_samples(store, host, directory, 20)
    log_file = copy / "fleet.duckdb.wal"
    content = log_file.read_bytes()
    in_a_payload = content.index(b'"load1"', len(content) // 2)
    damaged = content[:in_a_payload] + b"\xff" + content[in_a_payload + 1 :]
    log_file.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        assert 5 <= reopened_count(copy) < 20
    [aside] = copy.glob("fleet.duckdb.wal.damaged-*")
    assert aside.read_bytes() == damaged
    assert aside.name in caplog.text


@pytest.mark.parametrize("garbage", [b"\0", b"\xff"], ids=["noughts", "ones"])
def test_garbage_after_a_log_is_ignored(store: Store, host: Host, directory: Path, garbage: bytes) -> None:
    copy = copy_after_samples(store, host, directory, 20)
    log_file = copy / "fleet.duckdb.wal"
    log_file.write_bytes(log_file.read_bytes() + garbage * 4096)
    assert reopened_count(copy) == 20


def test_a_database_that_is_damaged_itself_is_a_clear_error(store: Store, host: Host, directory: Path) -> None:
    copy = copy_after_samples(store, host, directory, 1)
    file = copy / "fleet.duckdb"
    file.write_bytes(b"\0" * 8192 + file.read_bytes()[8192:])
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        Store.open(copy)


def copy_after_samples(store: Store, host: Host, directory: Path, count: int) -> Path:
    """Return a copy of the data directory as a power cut after so many samples would leave it."""
    store.append([a_sample(host.id)]).result()
    store.settle()
    store._writer.run(lambda _: None, then=lambda _: store._writer._filler._checkpoint())
    for n in range(1, count):
        store.append([nth_sample(host, n)]).result()
        store.settle()
    # Only a closed store may be copied from this process, and closing ends the log: so a child copies it.
    copy = directory.with_name("copy")
    subprocess.run(["cp", "-r", str(directory), str(copy)], check=True)
    return copy


def nth_sample(host: Host, n: int) -> Sample:
    return a_sample(host.id, collected_at=NOW + timedelta(seconds=n))


def reopened_count(directory: Path) -> int:
    """Return how many samples a store has after it was opened, and that it takes new ones."""
    store = Store.open(directory)
    host = store.snapshot().hosts[0].host
    assert store.append([nth_sample(host, 1000)]).result().stored == 1
    store.close()
    [(samples, typed)] = ask_file(
        directory, "SELECT (SELECT count(*) FROM samples), (SELECT count(*) FROM host_samples)"
    )
    assert samples == typed
    return samples - 1


def test_a_directory_that_turns_read_only_is_said_and_got_over(
    store: Store, host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, block: bytes, position: int) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    numbers = iter(range(9))
    assert store.append([nth_sample(host, next(numbers))]).result().stored == 1
    with monkeypatch.context() as read_only:
        read_only.setattr(os, "pwrite", refuse)
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match="Read-only file system"):
                store.append([nth_sample(host, next(numbers))]).result()
            with pytest.raises(StoreUnavailableError, match="Read-only file system"):
                store.check()
        assert store.snapshot(NOW).hosts[0].samples
    assert store.append([nth_sample(host, next(numbers))]).result().stored == 1
    store.check()
    store.close()
    assert ask_file(directory, "SELECT count(*) FROM samples") == [(2,)]
