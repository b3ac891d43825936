"""The journal keeps what was acknowledged until DuckDB has it, whatever ends the process in between."""

from __future__ import annotations

import logging
import os
import struct
import subprocess
import zlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import duckdb
import msgspec
import pytest

from proxmon.errors import StoreUnavailableError
from proxmon.fleet import Host
from storage import Store
from storage.intake import Stored
from storage.journal import Entry, Journal, recover
from storage.typed import Tables
from tests.builders import NOW, a_sample
from tests.storage.conftest import Query, ask_file, failing

SECOND = timedelta(seconds=1)


@pytest.fixture
def paths(tmp_path: Path) -> Sequence[Path]:
    """Give the paths of a journal's two files."""
    return (tmp_path / "journal-1", tmp_path / "journal-2")


def an_entry(number: int) -> Entry:
    sample = a_sample(collected_at=NOW + number * SECOND)
    return Stored(number, sample, {}).journaled()


def numbers(paths: Sequence[Path]) -> list[int]:
    return [entry.sample_id for entry in recover(paths)]


def test_what_was_added_is_recovered_as_it_was(paths: Sequence[Path]) -> None:
    Journal(paths).append([an_entry(1), an_entry(2)])
    assert recover(paths) == [an_entry(1), an_entry(2)]


def test_what_an_older_version_left_is_recovered_together_with_what_followed(paths: Sequence[Path]) -> None:
    packed = zlib.compress(msgspec.msgpack.encode([an_entry(1)]))
    Journal(paths).append([an_entry(2)])
    new = paths[0].read_bytes().rstrip(b"\0")
    paths[0].write_bytes(struct.pack("<4sII", b"PXJ1", len(packed), zlib.crc32(packed)) + packed + new)
    assert recover(paths) == [an_entry(1), an_entry(2)]


def test_a_journal_that_never_was_has_nothing(paths: Sequence[Path]) -> None:
    assert recover(paths) == []


def test_the_files_take_turns_and_keep_what_is_not_in_the_database(paths: Sequence[Path]) -> None:
    journal = Journal(paths)
    journal.append([an_entry(1)])
    journal.turn()
    journal.append([an_entry(2)])
    assert numbers(paths) == [1, 2]
    journal.release(1)
    assert numbers(paths) == [2]
    journal.turn()
    journal.append([an_entry(3)])
    journal.release(2)
    assert numbers(paths) == [3]


def test_a_file_that_is_still_needed_is_not_given_its_turn(paths: Sequence[Path]) -> None:
    journal = Journal(paths)
    for number in range(1, 5):
        journal.append([an_entry(number)])
        journal.turn()
    assert numbers(paths) == [1, 2, 3, 4]


def test_a_write_that_failed_leaves_nothing_behind(paths: Sequence[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(paths)
    journal.append([an_entry(1)])
    pwrite = os.pwrite

    def cut_short(descriptor: int, block: bytes, position: int) -> int:
        pwrite(descriptor, block[:20], position)
        raise OSError("No space left on device")

    with monkeypatch.context() as trouble:
        trouble.setattr(os, "pwrite", cut_short)
        with pytest.raises(OSError, match="No space left"):
            journal.append([an_entry(2)])
    assert numbers(paths) == [1]
    journal.append([an_entry(3)])
    assert numbers(paths) == [1, 3]


def test_a_damaged_file_is_read_up_to_there_and_kept_aside(
    paths: Sequence[Path], caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(paths)
    for number in (1, 2, 3):
        journal.append([an_entry(number)])
    content = paths[0].read_bytes()
    last = content.rindex(b"PXJ2")
    paths[0].write_bytes(content[: last + 40] + b"\xff" + content[last + 41 :])
    damaged = paths[0].read_bytes()
    with caplog.at_level(logging.WARNING):
        assert numbers(paths) == [1, 2]
    [aside] = paths[0].parent.glob("journal-1.damaged-*")
    assert aside.read_bytes() == damaged
    assert aside.stat().st_mode & 0o777 == 0o600
    assert aside.name in caplog.text


@pytest.mark.parametrize("rest", [b"PXJ2", b"\0" * 5000, b"PXJ1" + b"\xff" * 8], ids=["torn", "room", "endless"])
def test_what_follows_the_last_whole_block_does_no_harm(paths: Sequence[Path], rest: bytes) -> None:
    Journal(paths).append([an_entry(1)])
    paths[0].write_bytes(paths[0].read_bytes().rstrip(b"\0") + rest)
    assert numbers(paths) == [1]


def test_a_power_cut_after_the_acknowledgement_loses_nothing(store: Store, host: Host, directory: Path) -> None:
    copy = directory.with_name("copy")
    with store._writer._filler.lock:  # the database does not get it
        for n in range(3):
            store.append([a_sample(host.id, collected_at=NOW + n * SECOND)]).result()
        subprocess.run(["cp", "-r", str(directory), str(copy)], check=True)
    for _ in range(2):
        Store.open(copy).close()
        assert ask_file(copy, "SELECT count(*), count(DISTINCT sample_id) FROM samples") == [(3, 3)]
        assert ask_file(copy, "SELECT count(*) FROM host_samples") == [(3,)]
    assert not list(copy.glob("fleet.journal*"))


def test_a_power_cut_after_the_database_has_it_doubles_nothing(store: Store, host: Host, directory: Path) -> None:
    copy, journal = directory.with_name("copy"), directory.with_name("journal")
    with store._writer._filler.lock:
        store.append([a_sample(host.id)]).result()
        subprocess.run(["cp", str(directory / "fleet.journal-1"), str(journal)], check=True)
    store.settle()
    subprocess.run(["cp", "-r", str(directory), str(copy)], check=True)
    journal.replace(copy / "fleet.journal-1")
    Store.open(copy).close()
    assert ask_file(copy, "SELECT count(*) FROM samples") == [(1,)]


@pytest.mark.parametrize("raw", [b'{"host": 7}', b'{"x": ' + b"[" * 2000 + b"]" * 2000 + b"}"], ids=["type", "depth"])
def test_a_payload_that_cannot_be_read_any_more_is_kept(
    store: Store, host: Host, directory: Path, caplog: pytest.LogCaptureFixture, raw: bytes
) -> None:
    store.close()
    entry = an_entry(1)
    Journal((directory / "fleet.journal-1", directory / "fleet.journal-2")).append(
        [Entry(*[getattr(entry, name) for name in entry.__struct_fields__[:-1]], raw)]
    )
    with caplog.at_level(logging.ERROR):
        reopened = Store.open(directory)
        assert reopened.snapshot().hosts
        reopened.close()
    assert "cannot be read any more" in caplog.text
    assert ask_file(directory, "SELECT payload FROM samples") == [(raw.decode(),)]


def test_a_start_on_a_full_disk_says_what_to_do_and_the_next_one_has_everything(
    store: Store, host: Host, directory: Path
) -> None:
    store.close()
    Journal((directory / "fleet.journal-1", directory / "fleet.journal-2")).append([an_entry(1)])
    with pytest.MonkeyPatch.context() as trouble:
        trouble.setattr(Tables, "append", failing(duckdb.IOException("Could not write file: No space left on device")))
        with pytest.raises(StoreUnavailableError, match=r"No space left on device\. Nothing is lost: make room"):
            Store.open(directory)
    Store.open(directory).close()
    assert ask_file(directory, "SELECT sample_id FROM samples") == [(1,)]


def test_a_store_that_was_closed_leaves_no_journal(store: Store, host: Host, query: Query, directory: Path) -> None:
    store.append([a_sample(host.id)]).result()
    assert query("SELECT count(*) FROM samples") == [(1,)]
    assert not list(directory.glob("fleet.journal*"))
