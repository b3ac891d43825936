"""A compaction gives room back, loses nothing, holds nobody up, and survives a kill in any step."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import storage.database
from proxmon.config import RetentionSettings
from proxmon.errors import ConflictError, SettingsError, StoreUnavailableError
from proxmon.fleet import Host
from storage import Store
from storage.compaction import Compactor, is_open
from storage.database import Database
from storage.filler import Filler
from storage.successor import Successor
from tests.builders import DAY, NOW, a_fast_payload, a_guest, a_sample
from tests.storage.compacting_writer import STEPS
from tests.storage.conftest import SECRET, ask_file

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
SPANS = RetentionSettings(fast_payload_days=1, row_days=1, guest_row_days=1, minute_days=1, hourly_payload_days=1)
EVERYTHING = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'base' ORDER BY ALL"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory of a store most of whose rows were deleted; tests copy it."""
    directory = tmp_path_factory.mktemp("made") / "data"
    opened = Store.open(directory, retention=SPANS)
    host = opened.add_host("pve-01", SECRET, NOW - 30 * DAY)
    for day in (5, 0):
        guests = {"vms": [a_guest(vmid=vmid, name=f"guest-{day}-{vmid}") for vmid in range(100, 160)]}
        payload = a_fast_payload(vms_runtime=guests)
        moments = [NOW - day * DAY - 10 * number * SECOND for number in range(1500 if day else 50)]
        opened.append([a_sample(host.id, payload=payload, collected_at=at) for at in moments]).result()
        opened.settle()
    opened.keep_up(NOW)
    opened.close()
    return directory


@pytest.fixture
def store(made: Path, directory: Path) -> Iterator[Store]:
    """Give a store most of whose rows were deleted."""
    shutil.copytree(made, directory)
    opened = Store.open(directory, retention=SPANS)
    yield opened
    opened.close()


@pytest.fixture
def host(store: Store) -> Host:
    """Give the store's host."""
    return store.snapshot().hosts[0].host


def contents(directory: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables of a store that is closed."""
    names = [name for (name,) in ask_file(directory, EVERYTHING)]
    return {name: ask_file(directory, f"SELECT * FROM base.{name} ORDER BY ALL") for name in names}


def size(directory: Path) -> int:
    """Return the size of the store's file."""
    return (directory / "fleet.duckdb").stat().st_size


def test_room_is_given_back_and_every_row_stays(store: Store, directory: Path) -> None:
    store.close()
    before, rows = size(directory), contents(directory)
    store = Store.open(directory)
    done = store.compact()
    store.close()
    assert done.before_bytes > done.after_bytes
    assert size(directory) < before
    assert contents(directory) == rows
    assert not list(directory.glob(".compact-*"))


def test_a_file_of_larger_blocks_goes_on_and_is_made_anew_with_smaller_ones(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setitem(storage.database.CONFIG, "default_block_size", "262144")
        store = Store.open(directory)
        host = store.add_host("pve-01", SECRET, NOW - DAY)
        store.append([a_sample(host.id, collected_at=NOW - SECOND)]).result()
        store.close()
    store = Store.open(directory)
    store.append([a_sample(host.id, collected_at=NOW)]).result()
    store.settle()
    before = block_bytes(store)
    store.compact()
    assert (before, block_bytes(store)) == (262_144, 65_536)
    store.close()
    assert ask_file(directory, "SELECT count(*) FROM base.fast_samples") == [(2,)]


def block_bytes(store: Store) -> int:
    """Return the size of the blocks that an open store's file has."""
    with store._database.reader() as cursor:
        [(size,)] = cursor.execute("SELECT block_size FROM pragma_database_size()").fetchall()
    return size


def test_the_store_goes_on(store: Store, host: Host, directory: Path) -> None:
    ids = {one.id for one in (store.add_host(f"pve-{number}", SECRET, NOW) for number in range(2, 5))}
    store.delete_host(max(ids), NOW, keep_history=False)
    store.compact()
    store.append([a_sample(host.id, collected_at=NOW + SECOND)]).result()
    store.keep_up(NOW + HOUR)
    assert store.add_host("pve-new", SECRET, NOW).id > max(ids)
    assert store.snapshot().hosts[-1].host.name == "pve-new"
    store.compact()
    store.close()
    assert ask_file(directory, "SELECT count(*), max(load1_count) FROM host_1m WHERE host = 'pve-01'")[0][0] > 5


def test_what_comes_in_meanwhile_is_there_afterwards(
    store: Store, host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.compacting.GROUP_BYTES", 2_000)  # or all would come in one group
    original = Compactor._copy_apart

    def copy(self: Compactor, old: Path, new: Path) -> None:
        store.append([a_sample(host.id, collected_at=NOW + number * SECOND) for number in range(1, 30)]).result()
        store.settle()
        original(self, old, new)
        store.add_host("pve-02", SECRET, NOW)
        store.append([a_sample(host.id, collected_at=NOW + number * SECOND) for number in range(30, 60)]).result()

    monkeypatch.setattr(Compactor, "_copy_apart", copy)
    rows = len(store.list_received_since(NOW - 30 * DAY))
    store.compact()
    store.settle()
    assert len(store.list_received_since(NOW - 30 * DAY)) == rows + 59
    assert [found.host.name for found in store.snapshot().hosts] == ["pve-01", "pve-02"]
    store.close()
    assert ask_file(directory, "SELECT count(*), count(DISTINCT observed_at) FROM host_samples") == [(109, 109)]


def test_a_store_that_lost_rows_meanwhile_stays_as_it_is(
    store: Store, host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Compactor._copy_apart

    def copy(self: Compactor, old: Path, new: Path) -> None:
        original(self, old, new)
        store.delete_host(host.id, NOW, keep_history=False)

    monkeypatch.setattr(Compactor, "_copy_apart", copy)
    with pytest.raises(StoreUnavailableError, match="deleted meanwhile"):
        store.compact()
    assert store.snapshot().hosts == ()
    monkeypatch.setattr(Compactor, "_copy_apart", original)
    assert store.compact().after_bytes < 20 * 2**20


def test_a_reader_in_the_way_is_waited_for(store: Store, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.compaction.PAUSE_SECONDS", 0.01)
    answer = store.query("SELECT host, observed_at FROM host_samples")
    assert answer.next_chunk()
    tried = threading.Event()
    original = Database.pause_readers

    def pause(self: Database) -> bool:
        is_quiet = original(self)
        tried.set()
        return is_quiet

    monkeypatch.setattr(Database, "pause_readers", pause)
    compacting = threading.Thread(target=store.compact)
    compacting.start()
    assert tried.wait(300)
    assert store.snapshot().hosts, "others read meanwhile"
    answer.close()
    compacting.join(300)
    assert not compacting.is_alive()


def test_a_reader_that_never_ends_stops_the_compaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.compaction.QUIET_SECONDS", 0.0)
    with store._database.reader(), pytest.raises(StoreUnavailableError, match="read all the time"):
        store.compact()
    assert store.snapshot().hosts


def test_a_new_file_that_cannot_be_opened_is_not_taken(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(self: Successor, connection: object) -> None:
        self.path.write_bytes(b"no database")

    monkeypatch.setattr(Successor, "bring_up", spoil)
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        store.compact()
    store.append([a_sample(host.id, collected_at=NOW + SECOND)]).result()
    store.settle()
    assert store.snapshot().hosts[0].last_seen_at


def test_a_copy_that_fails_leaves_the_store_alone(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.compaction.GROWING", ("no_such_table",))
    with pytest.raises(StoreUnavailableError, match="no_such_table"):
        store.compact()
    assert store.snapshot().hosts
    assert not list(directory.glob(".compact-*"))


def test_without_room_nothing_is_begun(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.compaction.MIN_FREE_BYTES", 2**60)
    with pytest.raises(StoreUnavailableError, match="make room"):
        store.compact()


def test_two_at_once_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def again(*_: object) -> None:
        with pytest.raises(ConflictError):
            store.compact()

    monkeypatch.setattr(Compactor, "_check_room", again)
    store.compact()


def test_a_store_that_is_closed_meanwhile_is_whole(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    rows = contents(directory)
    store = Store.open(directory)
    begun = threading.Event()
    original = Filler.no_upkeep

    def no_upkeep(self: Filler) -> object:
        begun.set()
        return original(self)

    monkeypatch.setattr(Filler, "no_upkeep", no_upkeep)
    errors: list[Exception] = []

    def compact() -> None:
        try:
            store.compact()
        except StoreUnavailableError as error:
            errors.append(error)

    compacting = threading.Thread(target=compact)
    compacting.start()
    assert begun.wait(300)
    store.close()
    compacting.join(300)
    assert contents(directory) == rows


def test_it_runs_by_itself_when_much_is_free(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.compaction.CHECK_SECONDS", 0.01)
    monkeypatch.setattr("storage.compaction.MIN_GAIN_BYTES", 2**18)
    done = threading.Event()
    original = Compactor.compact

    def compact(self: Compactor) -> object:
        try:
            return original(self)
        finally:
            done.set()

    monkeypatch.setattr(Compactor, "compact", compact)
    store.close()
    before = size(directory)
    store = Store.open(directory, retention=RetentionSettings(compact_percent=10))
    assert done.wait(300)
    store.close()
    assert size(directory) < before


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_in_any_step_leaves_a_whole_store(store: Store, host: Host, directory: Path, step: str) -> None:
    store.close()
    kept = len(ask_file(directory, "SELECT observed_at FROM host_samples"))
    program = [sys.executable, "-m", "tests.storage.compacting_writer", str(directory), step]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == -9, ended.stderr
    acknowledged = {int(line) for line in ended.stdout.splitlines(keepends=True) if line.endswith("\n")}
    store = Store.open(directory)
    assert store.snapshot().hosts[0].host == host
    store.close()
    rows = ask_file(directory, f"SELECT epoch(observed_at)::BIGINT - {int((NOW + DAY).timestamp())} FROM host_samples")
    later = [number for (number,) in rows if number >= 0]
    assert acknowledged <= set(later)
    assert len(later) == len(set(later))
    assert len(rows) - len(later) == kept
    assert not list(directory.glob(".compact-*"))


def test_nothing_is_collected_unless_the_file_is_still_open(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[bool] = []
    monkeypatch.setattr("gc.collect", lambda: collected.append(True))
    directory.mkdir()
    path = directory / "file"
    with path.open("w"):
        assert is_open(path)
        assert collected
    collected.clear()
    assert not is_open(path)
    assert not collected


def test_a_share_is_at_most_all() -> None:
    with pytest.raises(SettingsError, match="PROXMON_COMPACT_PERCENT"):
        RetentionSettings(compact_percent=101)


def test_a_file_in_many_small_pieces_is_due(
    store: Store, host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.compaction.MOST_SMALL_GROUPS", 4)
    compactor = store._writer.compactor
    assert not compactor.is_due()
    for number in range(4):
        store.append([a_sample(host.id, collected_at=NOW + number * SECOND)]).result()
        checkpoint(store)
    assert compactor.is_due()
    store.compact()
    assert not compactor.is_due()


def checkpoint(store: Store) -> None:
    """Write all that was stored into the file."""
    store.settle()
    store._writer.run(lambda _: None, then=lambda _: store._writer._filler._checkpoint())
