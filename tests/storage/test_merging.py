"""What checkpoints leave in small pieces is put together, and nobody who reads can tell."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import storage.checkpoints
import storage.merging
from proxmon.fleet import Host
from storage import Store
from storage.database import CONFIG, SETTINGS
from storage.merging import GROUP_ROWS, MOST_CHECKPOINTS, MOST_ROWS, TABLES, Merger
from storage.successor import make_empty
from tests.builders import NOW, a_fast_payload, a_guest, a_sample
from tests.storage.conftest import Query, ask_file

TABLE = "section_errors"
_INSERT = f"INSERT INTO base.{TABLE} (host_id, section) SELECT range, 'section ' || range FROM range(?, ?)"
_GROUPS = "SELECT row_group_id, max(start + count) FROM pragma_storage_info('base.{}') GROUP BY ALL ORDER BY ALL"
_SIZES = f"""
SELECT count FROM pragma_storage_info('base.{TABLE}') WHERE column_name = 'host_id' AND segment_type <> 'VALIDITY'
"""


class Pieces:
    """An open file one of whose tables grows by so many rows between two checkpoints."""

    def __init__(self, path: Path) -> None:
        make_empty(path)
        self.path, self.merger, self.count = path, Merger(), 0
        self.connection = self._open()

    def _open(self, *, is_new: bool = True) -> DuckDBPyConnection:
        connection = duckdb.connect(str(self.path), config=CONFIG)
        for setting in SETTINGS:
            connection.execute(setting)
        if is_new:
            self.merger.checkpoint(connection)
        return connection

    def open_anew(self) -> None:
        self.connection.close()
        self.merger.forget()
        self.connection = self._open()

    def renew(self) -> None:
        """Open it anew as the server does after many checkpoints."""
        kept = self.merger.keep(self.connection)
        self.connection.close()
        self.merger.forget()
        self.connection = self._open(is_new=False)
        self.merger.resume(self.connection, kept)

    def append(self, rows: int) -> None:
        self.connection.execute(_INSERT, [self.count, self.count + rows])
        self.count += rows

    def grow(self, rows: int) -> None:
        self.append(rows)
        self.checkpoint()

    def checkpoint(self) -> None:
        self.merger.checkpoint(self.connection)

    def merge(self) -> None:
        self.merger.merge(self.connection)

    def drop_before(self, number: int) -> None:
        self.connection.execute(f"DELETE FROM base.{TABLE} WHERE host_id < ?", [number])

    def groups(self) -> int:
        return len(self.connection.execute(_GROUPS.format(TABLE)).fetchall())

    def sizes(self) -> list[int]:
        """Return how many rows each group has, with those that were deleted."""
        return [size for (size,) in self.connection.execute(_SIZES).fetchall()]

    def rows(self, connection: DuckDBPyConnection | None = None) -> list[tuple[int, str]]:
        return (connection or self.connection).execute(f"SELECT host_id, section FROM base.{TABLE}").fetchall()


def numbered(begin: int, end: int) -> list[tuple[int, str]]:
    return [(number, f"section {number}") for number in range(begin, end)]


@pytest.fixture
def pieces(tmp_path: Path) -> Iterator[Pieces]:
    """Give an empty file."""
    made = Pieces(tmp_path / "file")
    yield made
    made.connection.close()


def test_after_so_many_checkpoints_the_pieces_are_one_in_the_same_order(pieces: Pieces) -> None:
    for _ in range(MOST_CHECKPOINTS - 1):
        pieces.grow(10)
    pieces.merge()
    assert pieces.groups() == MOST_CHECKPOINTS - 1
    pieces.grow(10)
    pieces.merge()
    assert pieces.rows() == numbered(0, pieces.count)
    pieces.checkpoint()
    assert pieces.groups() == 1
    assert pieces.rows() == numbered(0, pieces.count)


def test_what_was_put_together_is_not_written_again_with_the_next_pieces(pieces: Pieces) -> None:
    for _ in range(3 * MOST_CHECKPOINTS + 3):  # the next rows join the group that was made
        pieces.grow(10)
        pieces.merge()
    pieces.checkpoint()
    assert pieces.sizes() == [10 * (MOST_CHECKPOINTS + 1)] * 3


def test_a_whole_group_is_made_at_once_and_what_is_beyond_it_waits_for_more(pieces: Pieces) -> None:
    for _ in range(3):
        pieces.grow(GROUP_ROWS // 3 + 1_000)
    pieces.merge()
    pieces.checkpoint()
    assert pieces.groups() == 2
    for _ in range(3):
        pieces.grow(GROUP_ROWS // 3 - 1_000)
    pieces.merge()
    pieces.checkpoint()
    assert pieces.groups() == 2
    assert pieces.rows() == numbered(0, pieces.count)


def test_large_pieces_stay(pieces: Pieces) -> None:
    pieces.grow(GROUP_ROWS)
    pieces.merge()
    pieces.grow(MOST_ROWS)
    before = pieces.groups()
    pieces.merge()
    pieces.checkpoint()
    assert pieces.groups() == before


def test_rows_that_are_dropped_at_the_beginning_do_not_keep_the_end_in_pieces(pieces: Pieces) -> None:
    for number in range(3 * MOST_CHECKPOINTS):
        pieces.grow(10)
        pieces.drop_before(pieces.count - 300)
        pieces.merge()
        assert number < MOST_CHECKPOINTS or pieces.groups() <= MOST_CHECKPOINTS + 3
    assert pieces.rows() == numbered(pieces.count - 300, pieces.count)


def test_who_reads_meanwhile_sees_what_was_there_and_the_pieces_go_after_that(pieces: Pieces) -> None:
    for _ in range(MOST_CHECKPOINTS):
        pieces.grow(10)
    cursor = pieces.connection.cursor()
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    assert pieces.rows(cursor) == numbered(0, pieces.count)
    seen = pieces.count
    pieces.merge()
    pieces.grow(10)
    assert pieces.rows(cursor) == numbered(0, seen)
    cursor.close()
    pieces.grow(10)
    assert pieces.rows() == numbered(0, pieces.count)
    assert pieces.groups() == 2


def test_a_file_that_is_opened_anew_has_new_pieces(pieces: Pieces) -> None:
    for _ in range(MOST_CHECKPOINTS // 2):
        pieces.grow(10)
    pieces.open_anew()
    for _ in range(MOST_CHECKPOINTS):
        pieces.grow(10)
    pieces.merge()
    pieces.checkpoint()
    assert pieces.groups() == MOST_CHECKPOINTS // 2 + 1
    assert pieces.rows() == numbered(0, pieces.count)


def test_pieces_from_before_and_after_the_file_was_renewed_go_together(pieces: Pieces) -> None:
    for number in range(3 * MOST_CHECKPOINTS + 3):
        pieces.grow(10)
        pieces.merge()
        if number % 10 == 9:
            pieces.renew()
    pieces.checkpoint()
    assert pieces.sizes() == [10 * (MOST_CHECKPOINTS + 1)] * 3
    assert pieces.rows() == numbered(0, pieces.count)


def test_a_table_whose_rows_moved_while_it_was_closed_begins_again(pieces: Pieces) -> None:
    for _ in range(MOST_CHECKPOINTS):
        pieces.grow(10)
    pieces.drop_before(100)  # closing it drops the groups, and the rows behind them move up
    pieces.renew()
    assert pieces.merger.keep(pieces.connection).tails.keys() == set(TABLES) - {TABLE}
    pieces.grow(10)
    pieces.merge()
    pieces.checkpoint()
    assert pieces.rows() == numbered(100, pieces.count)


def test_a_crash_after_it_loses_and_doubles_nothing(pieces: Pieces, tmp_path: Path) -> None:
    for _ in range(MOST_CHECKPOINTS):
        pieces.grow(10)
    pieces.merge()
    pieces.append(10)
    for suffix in ("", ".wal"):
        shutil.copy(f"{pieces.path}{suffix}", tmp_path / f"after{suffix}")
    with duckdb.connect(str(tmp_path / "after")) as connection:
        assert pieces.rows(connection) == numbered(0, pieces.count)


ACTIONS: dict[str, Callable[[Pieces, int], object]] = {
    "append": lambda pieces, rows: pieces.append(rows),
    "grow": lambda pieces, rows: pieces.grow(rows),
    "checkpoint": lambda pieces, _: pieces.checkpoint(),
    "merge": lambda pieces, _: pieces.merge(),
    "drop": lambda pieces, rows: pieces.drop_before(pieces.rows()[0][0] + rows) if pieces.rows() else None,
    "open anew": lambda pieces, _: pieces.open_anew(),
    "renew": lambda pieces, _: pieces.renew(),
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([*ACTIONS, "grow", "merge"]), st.integers(1, 40)), min_size=10, max_size=60))
def test_whatever_happens_in_whatever_order_the_rows_stay_in_theirs(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(storage.merging, "MOST_CHECKPOINTS", 3)
    monkeypatch.setattr(storage.merging, "GROUP_ROWS", 50)
    monkeypatch.setattr(storage.merging, "MOST_ROWS", 150)
    pieces = Pieces(tmp_path_factory.mktemp("pieces") / "file")
    first = 0
    for action, rows in steps:
        if action == "drop":
            first = min(first + rows, pieces.count)
        ACTIONS[action](pieces, rows)
        assert pieces.rows() == numbered(first, pieces.count)
    pieces.connection.close()


def test_a_store_puts_its_rows_together_by_itself_and_lets_payloads_lie(
    store: Store, host: Host, directory: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.merging, "MOST_CHECKPOINTS", 4)
    monkeypatch.setattr(storage.checkpoints, "CHECKPOINT_WAL_BYTES", 1)
    filler = store._writer._filler
    assert filler._checkpoint()
    payload = a_fast_payload(vms_runtime={"vms": [a_guest()]})
    for number in range(12):
        at = NOW + timedelta(seconds=number)
        store.append([a_sample(host.id, collected_at=at, payload=payload)]).result()
        store.settle()
        with filler.lock:
            filler._turn()
    seconds = [(NOW + timedelta(seconds=number)).replace(tzinfo=None) for number in range(12)]
    for table, groups in {"fast": 12, "host": 3, "guest": 3}.items():
        assert query(f"SELECT observed_at FROM base.{table}_samples") == [(at,) for at in seconds]
        assert len(ask_file(directory, _GROUPS.format(f"{table}_samples"))) == groups


def test_no_table_of_payloads_is_touched(store: Store) -> None:
    tables = "SELECT table_name FROM duckdb_columns() WHERE schema_name = 'base' AND column_name = 'payload'"
    with store._database.reader() as cursor:
        payloads = {name for (name,) in cursor.execute(tables).fetchall()}
    assert payloads
    assert not payloads & set(TABLES)


class Failing:
    """A connection on a disk that is full when rows are to be appended."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, statement: str) -> DuckDBPyConnection:
        if statement.startswith("INSERT"):
            raise duckdb.IOException("no room")
        return self._connection.execute(statement)


def test_after_a_failure_the_pieces_go_with_the_next_ones(pieces: Pieces) -> None:
    for _ in range(MOST_CHECKPOINTS):
        pieces.grow(10)
    with pytest.raises(duckdb.IOException):
        pieces.merger.merge(Failing(pieces.connection))  # pyright: ignore[reportArgumentType]
    pieces.connection.execute("ROLLBACK")
    for _ in range(MOST_CHECKPOINTS):
        assert not pieces.merger.merge(pieces.connection)
        pieces.grow(10)
    pieces.merge()
    pieces.checkpoint()
    assert pieces.sizes() == [20 * MOST_CHECKPOINTS]
    assert pieces.rows() == numbered(0, pieces.count)


def test_a_table_that_grows_fast_does_not_keep_slow_ones_in_pieces(pieces: Pieces) -> None:
    for _ in range(MOST_CHECKPOINTS + 3):
        pieces.connection.execute("INSERT INTO base.guest_1h (host_id) SELECT 1 FROM range(?)", [GROUP_ROWS // 3])
        pieces.grow(10)
        pieces.merge()
    pieces.checkpoint()
    assert pieces.groups() <= 4


IDS = "SELECT rowid, observed_at FROM base.host_samples"


@pytest.mark.parametrize("is_reader_there", [True, False])
def test_rows_keep_their_ids_while_somebody_reads(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch, is_reader_there: bool
) -> None:
    filler, found = store._writer._filler, list[list[object]]()
    begun, is_over = threading.Event(), threading.Event()

    def read() -> None:
        with store._database.reader() as cursor:
            found.append(cursor.execute(IDS).fetchall())
            begun.set()
            assert is_over.wait(20)
            found.append(cursor.execute(IDS).fetchall())

    def begin_to_read(connection: DuckDBPyConnection) -> dict[str, int]:
        ends = read_ends(connection)
        if not reader.ident:  # between this and the checkpoint nothing is committed any more
            reader.start()
            begun.wait(0.5)
        return ends

    with filler.lock:
        for number in range(4):
            store.append([a_sample(host.id, collected_at=NOW + timedelta(seconds=number))]).result()
            filler.fill()
            assert filler._checkpoint()
        filler._database.writer().execute("DELETE FROM base.host_samples WHERE rowid < 2")
        read_ends, reader = storage.merging._read_ends, threading.Thread(target=read)
        monkeypatch.setattr(storage.merging, "_read_ends", begin_to_read)
        with store._database.reader() if is_reader_there else nullcontext():
            assert filler._checkpoint()
    is_over.set()
    reader.join()
    assert found[0] == found[1]
    assert [row for row, _ in found[0]] == ([2, 3] if is_reader_there else [0, 1])
