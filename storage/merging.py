"""Puts the small row groups together that checkpoints leave, so that a table is in few pieces however it grew.

DuckDB keeps some 2 KB in memory for each column of each row group, and whatever came between two checkpoints is a row
group of its own in every table: up to 0.3 MB a checkpoint, which nobody would give back. Its checkpoints
could merge them, but take payloads too and hold them all in memory as they came (storage/database.py). So rows are
appended again and deleted where they were, in one transaction: their order stays, readers see either, and the next
checkpoint drops the groups that are empty. Payloads stay where they are until the store is compacted.
"""

# ruff: noqa: S608 - the names in these statements are those of our own tables

from __future__ import annotations

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from storage.compacting import GROUP_ROWS
from storage.retention import KEPT
from storage.rollups import transaction

# What a slow table gathers until it is put together: six minutes of a busy fleet, two hours of a usual one.
MOST_CHECKPOINTS = 32
MOST_ROWS = 8 * GROUP_ROWS  # more would hold up for a second whoever waits
TABLES = tuple(kept.name for kept in KEPT if not kept.has_payload)
# What DuckDB calls an estimate is the count of rows in the file: the row id that the next one gets.
_ENDS = "SELECT table_name, estimated_size FROM duckdb_tables() WHERE schema_name = 'base'"


@dataclass(slots=True)
class Tail:
    """The rows at a table's end that are in pieces: from one row id up to the last checkpoint's end, and how many."""

    start: int
    end: int
    pieces: int = 0

    @property
    def rows(self) -> int:
        """Return how many rows they are."""
        return self.end - self.start

    @property
    def is_large(self) -> bool:
        """Tell whether merging would cost much, or gain little."""
        return self.rows > MOST_ROWS or self.rows >= self.pieces * GROUP_ROWS / 2

    @property
    def is_due(self) -> bool:
        """Tell whether they make a whole group, or are too many pieces."""
        return self.pieces > 1 and (self.rows >= GROUP_ROWS or self.pieces >= MOST_CHECKPOINTS)


@dataclass(frozen=True, slots=True)
class Kept:
    """What was known of a file when it was closed: the tables' ends, and their tails."""

    ends: dict[str, int]
    tails: dict[str, Tail]


class Merger:
    """Makes the checkpoints of one open file, to know what they leave; what was there before it was opened stays."""

    def __init__(self) -> None:
        self._tails: dict[str, Tail] = {}

    def forget(self) -> None:
        """Begin again: the file was opened anew, or is another one."""
        self._tails = {}

    def keep(self, connection: DuckDBPyConnection) -> Kept:
        """Return what is known, for ``resume``, before this file is closed. Raises duckdb.Error."""
        return Kept(_read_ends(connection), self._tails)

    def resume(self, connection: DuckDBPyConnection, kept: Kept) -> None:
        """Go on with what was known of the same file before. Raises duckdb.Error.

        Closing it may drop groups that are empty, as a checkpoint does: then the rows have other ids, and the table
        begins again.
        """
        ends = _read_ends(connection)
        self._tails = {table: tail for table, tail in kept.tails.items() if ends[table] == kept.ends[table]}

    def checkpoint(self, connection: DuckDBPyConnection) -> None:
        """Write the log into the file, and take note of what that left. Raises duckdb.Error."""
        before = _read_ends(connection)
        connection.execute("CHECKPOINT")
        for table, end in _read_ends(connection).items():
            tail = self._tails.get(table)
            if tail is None:
                self._tails[table] = Tail(end, end)
                continue
            tail.pieces += before[table] > tail.end
            # Rows move up when groups before them were dropped.
            tail.start, tail.end = max(0, tail.start - before[table] + end), end

    def merge(self, connection: DuckDBPyConnection) -> bool:
        """Put the pieces of one table together; False when none is due. Raises duckdb.Error, within a transaction.

        Best between two checkpoints, when least is held in memory: until the second one it takes the rows as they are.
        """
        due = [table for table, tail in self._tails.items() if tail.is_due]
        if not due:
            return False
        table = max(due, key=lambda table: (self._tails[table].pieces >= MOST_CHECKPOINTS, self._tails[table].rows))
        # Unless it is known what is left, the next checkpoint begins again: until then rows join the last group.
        tail = self._tails.pop(table)
        if tail.is_large:
            return False
        try:
            self._merge(connection, table, tail.start)
        except BaseException:
            self._tails[table] = Tail(tail.start, tail.end)  # for when as many pieces have come again
            raise
        return True

    def _merge(self, connection: DuckDBPyConnection, table: str, start: int) -> None:
        end = _read_ends(connection)[table]
        rows = f"base.{table} WHERE rowid >= {start:d} AND rowid < {end:d}"
        with transaction(connection):
            [(beyond,)] = connection.execute(f"SELECT count(*) FROM base.{table} WHERE rowid >= {end:d}").fetchall()
            [(count,)] = connection.execute(f"INSERT INTO base.{table} FROM {rows}").fetchall()
            [(deleted,)] = connection.execute(f"DELETE FROM {rows}").fetchall()
            if beyond or count != deleted:
                raise AssertionError(f"{beyond} rows beyond the last of {table}, {count} added, {deleted} deleted")
        if count >= GROUP_ROWS:  # what is beyond whole groups is to be one of the next
            self._tails[table] = Tail(end + count - count % GROUP_ROWS, end + count)


def _read_ends(connection: DuckDBPyConnection) -> dict[str, int]:
    ends: dict[str, int] = dict(connection.execute(_ENDS).fetchall())
    return {table: ends[table] for table in TABLES}
