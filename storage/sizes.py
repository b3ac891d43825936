"""How much each table holds, for administrators."""

# ruff: noqa: S608 - the names in these statements are constants of the package

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from proxmon.costs import FileSize
from storage.directory import DataDirectory
from storage.moments import from_store
from storage.retention import KEPT

BLOCK_BYTES = 256 * 1024  # DuckDB's default, which is what the store's file is made with


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table's rows, its bytes in the file after the last checkpoint, and the moment of its oldest row."""

    name: str
    rows: int
    size_bytes: int
    oldest_at: datetime | None


def read_sizes(cursor: DuckDBPyConnection) -> list[TableSize]:
    """List the size of each table that grows."""
    return [
        _size(cursor, kept.name, "started_at" if kept.name.endswith(("_1m", "_1h")) else "observed_at") for kept in KEPT
    ]


def read_file_size(cursor: DuckDBPyConnection, directory: DataDirectory) -> FileSize:
    """Return the size of the file, of its free blocks and of the logs beside it."""
    query = "SELECT block_size, total_blocks, free_blocks FROM pragma_database_size() WHERE database_name = 'fleet'"
    row = cursor.execute(query).fetchone()
    assert row is not None
    block_bytes, total, free = row
    return FileSize(block_bytes * total, block_bytes * free, directory.wal_bytes(), directory.journal_bytes())


def _size(cursor: DuckDBPyConnection, name: str, moment: str) -> TableSize:
    row = cursor.execute("SELECT count(*), min(" + moment + ") FROM base." + name).fetchone()
    blocks = cursor.execute(
        "SELECT count(DISTINCT block_id) FROM pragma_storage_info('base." + name + "') WHERE block_id >= 0"
    ).fetchone()
    assert row is not None
    assert blocks is not None
    return TableSize(name, row[0], blocks[0] * BLOCK_BYTES, row[1] and from_store(row[1]))
