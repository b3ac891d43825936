"""The file that takes the place of the store's when that is compacted: made empty, and brought up to the old one."""

# ruff: noqa: S608 - the names in these statements are those of our own tables

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.errors import StoreUnavailableError
from storage.compacting import list_groups, unlogged
from storage.database import CONFIG
from storage.migrations import migrate
from storage.retention import KEPT

GROWING = tuple(kept.name for kept in KEPT)
_TABLES = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'base' ORDER BY table_name"
_SEQUENCES = """
SELECT sequence_name, coalesce(last_value + 1, start_value) FROM duckdb_sequences() WHERE schema_name = 'base'
"""


@dataclass(frozen=True, slots=True)
class End:
    """The position of a table's last row, -1 without any, and how many it has."""

    position: int
    rows: int


class Successor:
    """A new file with the store's tables; the rows of the growing ones are copied into it apart, up to noted ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ends: dict[str, End] = {}
        make_empty(path)

    def note_ends(self, connection: DuckDBPyConnection) -> None:
        """Take note that it has, or is given, all rows that the growing tables have now."""
        for table in GROWING:
            self._ends[table] = _read_end(connection, table)

    def bring_up(self, connection: DuckDBPyConnection) -> None:
        """Put in what the old file has beyond the noted ends, and the small tables as they are; note the new ends.

        Raises:
            StoreUnavailableError: rows were deleted from the old file since it was copied.
        """
        with unlogged(self.path) as target:
            for table in GROWING:
                self._append_rest(connection, target, table)
            for (table,) in connection.execute(_TABLES).fetchall():
                if table not in GROWING:
                    target.execute("DELETE FROM base." + table)
                    _insert(target, table, _read(connection, "FROM base." + table))
            for name, start in connection.execute(_SEQUENCES).fetchall():
                target.execute(f"CREATE OR REPLACE SEQUENCE base.{name} START {start:d}")
            target.execute("CHECKPOINT")

    def _append_rest(self, connection: DuckDBPyConnection, target: DuckDBPyConnection, table: str) -> None:
        noted, end = self._ends[table], _read_end(connection, table)
        copied, appended = _read_end(target, table), 0
        for begin, until in list_groups(connection, "base." + table, noted.position + 1):
            if appended:
                target.execute("CHECKPOINT")
            rest = _read(connection, f"FROM base.{table} WHERE rowid >= {begin:d} AND rowid < {until:d}")
            _insert(target, table, rest)
            appended += rest.num_rows
        if not (copied.rows == noted.rows and noted.rows + appended == end.rows):
            raise StoreUnavailableError("Rows were deleted meanwhile: compact the store later.")
        self._ends[table] = end


def make_empty(path: Path) -> None:
    """Make a file with the store's tables and no rows."""
    with duckdb.connect(str(path), config=CONFIG) as connection:
        migrate(connection)


def _read_end(connection: DuckDBPyConnection, table: str) -> End:
    # All are fetched: DuckDB 2 lets nothing else be asked while an answer is not read to its end.
    [row] = connection.execute("SELECT coalesce(max(rowid), -1), count(*) FROM base." + table).fetchall()
    return End(*row)


def _read(connection: DuckDBPyConnection, query: str) -> Any:
    """Return rows as an Arrow table."""
    relation: Any = connection.sql(query)
    return relation.to_arrow_table()


def _insert(target: DuckDBPyConnection, table: str, rows: Any) -> None:
    target.register("incoming", rows)
    target.execute("INSERT INTO base." + table + " FROM incoming")
    target.unregister("incoming")
