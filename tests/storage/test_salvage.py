"""A damaged write-ahead log is kept and told of, also where DuckDB opens it without a word; a torn one is neither."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxmon.errors import StoreUnavailableError
from proxmon.fleet import Host
from storage import Store, salvage
from storage.filled import find_filled, note_filled
from tests.builders import NOW
from tests.storage.conftest import SECRET, failing
from tests.storage.test_crashes import copy_after_samples, nth_sample, reopened_count

WAL = "fleet.duckdb.wal"
# Ends a process in a checkpoint, when the file has everything and the log was not yet emptied.
CHECKPOINT = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("SET debug_checkpoint_abort = 'before_truncate'")
connection.execute("CHECKPOINT")
"""


def put(position: int, some: bytes) -> Callable[[bytes], bytes]:
    """Return what writes these bytes into others."""
    return lambda content: content[:position] + some + content[position + len(some) :]


def flip(position: int, bits: int) -> Callable[[bytes], bytes]:
    """Return what changes one byte of others."""
    return lambda content: put(position, bytes([content[position] ^ bits]))(content)


def spoil_a_length(content: bytes, start: int = 0) -> bytes:
    """Make an entry longer than the log: the first one, or the one after a commit behind ``start``."""
    before = content.index(salvage._COMMIT, start) + len(salvage._COMMIT) if start else content.index(b"\xff\xff") + 2
    return put(before + 5, b"\x55")(content)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "byte 0": put(0, b"\0"),
    "byte 4": put(4, b"\x55"),
    # In the database's identifier, whose bytes take two each above 127: first another value, then one byte too many.
    "byte 9": flip(9, 0x01),
    "byte 10": flip(10, 0x81),
    "byte 20": flip(20, 0x81),
    "byte 45": flip(45, 0x55),
    "the first length": spoil_a_length,
    "the first 4 KiB": put(0, bytes(4096)),
    "a length in the middle": lambda content: spoil_a_length(content, len(content) // 2),
    "half is gone": lambda content: content[: len(content) // 2],
    "5 bytes are gone": lambda content: content[:-5],
    "the last 4 KiB": lambda content: content[:-4096] + bytes(4096),
}


@pytest.fixture(scope="module")
def after_twenty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data directory as a power cut leaves it after twenty samples, of which the log has all but the first."""
    directory = tmp_path_factory.mktemp("twenty") / "data"
    store = Store.open(directory)
    copy = copy_after_samples(store, store.add_host("pve-01", SECRET, NOW), directory, 20)
    store.close()
    return copy


@pytest.fixture
def crashed(after_twenty: Path, tmp_path: Path) -> Path:
    """Give a copy of it."""
    return Path(shutil.copytree(after_twenty, tmp_path / "crashed"))


@pytest.fixture(autouse=True)
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Note warnings."""
    with caplog.at_level(logging.WARNING):
        yield caplog


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_told_of_once_with_what_is_missing_and_the_log_is_kept(
    crashed: Path, warnings: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    damaged = damage((crashed / WAL).read_bytes())
    (crashed / WAL).write_bytes(damaged)
    count = reopened_count(crashed)
    assert 1 <= count < 20
    [aside] = crashed.glob(f"{WAL}.damaged-*")
    assert aside.read_bytes() == damaged
    assert aside.stat().st_mode & 0o777 == 0o600
    [told] = warnings.messages
    assert told.endswith(
        f"damaged: {20 - count} acknowledged samples are missing; the damaged log is kept as {aside.name}"
    )
    Store.open(crashed).close()
    assert len(warnings.messages) == 1


@pytest.mark.parametrize("damage", [put(0, b"\x55"), spoil_a_length], ids=["byte 0", "the first length"])
def test_damage_before_what_is_no_sample_is_told_of(
    store: Store, directory: Path, warnings: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    store._writer.run(lambda _: None, then=lambda _: store._writer._filler._checkpoint())
    store.add_host("pve-01", SECRET, NOW)
    copy = copied(directory)
    (copy / WAL).write_bytes(damage((copy / WAL).read_bytes()))
    Store.open(copy).close()
    [aside] = copy.glob(f"{WAL}.damaged-*")
    assert (
        f"an unknown number of acknowledged samples are missing; the damaged log is kept as {aside.name}"
        in warnings.text
    )


def test_a_commit_that_was_cut_short_is_none_that_was_lost(
    store: Store, host: Host, directory: Path, warnings: pytest.LogCaptureFixture
) -> None:
    copy_after_samples(store, host, directory, 5)
    with store._writer._filler.lock:  # the database does not get it
        store.append([nth_sample(host, 5)]).result()
        copy = copied(directory, "torn")
    store.settle()
    log = (directory / WAL).read_bytes()
    assert len(log) > (copy / WAL).stat().st_size
    (copy / WAL).write_bytes(log[:-5])
    assert reopened_count(copy) == 6
    assert not warnings.messages
    assert not list(copy.glob("*.damaged-*"))


def test_a_log_that_is_whole_is_read_without_a_word(crashed: Path, warnings: pytest.LogCaptureFixture) -> None:
    assert reopened_count(crashed) == 20
    assert not warnings.messages
    assert not list(crashed.glob("*.damaged-*"))


def test_a_log_that_is_in_the_file_already_is_none_that_was_lost(
    crashed: Path, warnings: pytest.LogCaptureFixture
) -> None:
    program = [sys.executable, "-c", CHECKPOINT, str(crashed / "fleet.duckdb")]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert "aborted before truncate" in ended.stderr
    assert (crashed / WAL).stat().st_size
    assert reopened_count(crashed) == 20
    assert not warnings.messages
    assert not list(crashed.glob("*.damaged-*"))


def test_a_log_that_is_gone_is_told_of_once(crashed: Path, warnings: pytest.LogCaptureFixture) -> None:
    (crashed / WAL).unlink()
    assert reopened_count(crashed) == 1
    [told] = warnings.messages
    assert told.startswith("19 acknowledged samples are missing: their log is gone")


def test_samples_that_came_from_the_journal_are_expected_of_the_database(
    store: Store, host: Host, directory: Path
) -> None:
    with store._writer._filler.lock:
        store.append([nth_sample(host, 0)]).result()
        copy = copied(directory)
    assert find_filled(copy) is None
    Store.open(copy).close()
    assert find_filled(copy) == 1


def test_a_log_that_cannot_be_kept_stays_as_it_is(crashed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = DAMAGE["half is gone"]((crashed / WAL).read_bytes())
    (crashed / WAL).write_bytes(damaged)
    with monkeypatch.context() as trouble:
        trouble.setattr(salvage, "copy_file", failing(OSError(28, "No space left on device")))
        with pytest.raises(StoreUnavailableError, match=r"cannot be opened: .*No space left"):
            Store.open(crashed)
    assert (crashed / WAL).read_bytes() == damaged
    assert 5 <= reopened_count(crashed) < 20
    assert [aside.read_bytes() for aside in crashed.glob(f"{WAL}.damaged-*")] == [damaged]


def test_what_was_noted_last_counts(tmp_path: Path) -> None:
    assert find_filled(tmp_path) is None
    for number in (7, 2**40, 3):
        note_filled(tmp_path, number)
        assert find_filled(tmp_path) == number


@pytest.mark.parametrize("note", [b"", b"\0" * 12, b"\x07" + b"\0" * 11, b"\xff" * 40])
def test_a_note_that_is_damaged_says_nothing(tmp_path: Path, note: bytes) -> None:
    (tmp_path / "fleet.filled").write_bytes(note)
    assert find_filled(tmp_path) is None


def test_where_no_note_can_be_written_the_samples_are_stored(store: Store, host: Host, directory: Path) -> None:
    (directory / "fleet.filled").mkdir()
    assert store.append([nth_sample(host, 0)]).result().stored == 1
    store.settle()
    assert find_filled(directory) is None


def copied(directory: Path, name: str = "copy") -> Path:
    """Return a copy of the directory of an open store, made by a child, so that DuckDB's lock stays."""
    copy = directory.with_name(name)
    subprocess.run(["cp", "-r", str(directory), str(copy)], check=True)
    return copy
