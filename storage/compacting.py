"""Copies tables into another file in a process of its own: ``python compacting.py SOURCE TARGET TABLE…``.

A process of its own, so that the server's memory does not grow and that it can be ended at any moment.
"""

# ruff: noqa: S608 - the names in these statements are those of our own tables

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

NICENESS = 10  # samples and pages come first
FLUSH_SECONDS = 0.05  # at 40 MB/s, the most that one core makes, 2 MB come together in that time
# DuckDB writes so many rows together; more at once would wait in memory, or in a log that a commit writes through.
GROUP_ROWS = 122_880
# Of payloads. A checkpoint holds those of up to 2,048 rows in memory at once, as they came, and whoever reads one of
# them later twice that; a group that exceeds the limit goes to the disk and back, for half as much CPU again.
GROUP_BYTES = 64 * 2**20
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "512MB",
    "threads": 1,
    "max_vacuum_tasks": 0,  # what is appended at last must not be merged in the server's memory
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def copy_tables(source: Path, target: Path, tables: list[str]) -> None:
    """Put the rows of tables into those of the same names in a file that has them, in their order."""
    with unlogged(target) as connection:
        connection.execute(f"ATTACH {_quoted(source)} AS source (READ_ONLY)")
        for table in tables:
            _copy_table(connection, table)


def _copy_table(connection: DuckDBPyConnection, table: str) -> None:
    copy = f"INSERT INTO base.{table} FROM source.base.{table} WHERE rowid >= ? AND rowid < ?"
    for begin, end in list_groups(connection, "source.base." + table):
        connection.execute(copy, [begin, end])
        connection.execute("CHECKPOINT target")


def list_groups(connection: DuckDBPyConnection, table: str, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Yield which rows of a table to copy together, from a row on: the first row id, and the one after the last."""
    [(last,)] = connection.execute("SELECT coalesce(max(rowid), -1) FROM " + table).fetchall()
    for first in range(begin, last + 1, GROUP_ROWS):
        yield from _pieces(connection, table, first, min(first + GROUP_ROWS, last + 1))


def _pieces(connection: DuckDBPyConnection, table: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    held_bytes = 0
    for row, payload_bytes in _payload_sizes(connection, table, begin, end):
        if held_bytes and held_bytes + payload_bytes > GROUP_BYTES:
            yield begin, row
            begin, held_bytes = row, 0
        held_bytes += payload_bytes
    yield begin, end


def _payload_sizes(connection: DuckDBPyConnection, table: str, begin: int, end: int) -> list[tuple[int, int]]:
    """List the bytes of each row's payload, with its row id; of a table without payloads nothing."""
    if "payload" not in {name for name, *_ in connection.execute("DESCRIBE " + table).fetchall()}:
        return []
    sizes = f"SELECT rowid, strlen(payload) FROM {table} WHERE rowid >= ? AND rowid < ?"
    return connection.execute(sizes, [begin, end]).fetchall()


@contextmanager
def unlogged(path: Path) -> Generator[DuckDBPyConnection]:
    """Open a file that is worth nothing unless all goes well: no log is written for the other case."""
    with flushed(path), duckdb.connect(config=CONFIG | {"temp_directory": f"{path}.tmp"}) as connection:
        connection.execute(f"ATTACH {_quoted(path)} AS target (RECOVERY_MODE no_wal_writes)")
        connection.execute("USE target")
        yield connection


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


@contextmanager
def flushed(path: Path) -> Generator[None]:
    """Write a file through to the disk little by little: all at once would hold up what others write through."""
    is_over, descriptor = threading.Event(), os.open(path, os.O_RDWR)

    def work() -> None:
        while not is_over.wait(FLUSH_SECONDS):
            os.fdatasync(descriptor)

    flushing = threading.Thread(target=work)
    flushing.start()
    try:
        yield
    finally:
        is_over.set()
        flushing.join()
        os.close(descriptor)


def main(source: str, target: str, *tables: str) -> None:
    """Copy the tables at a low priority."""
    os.nice(NICENESS)
    copy_tables(Path(source), Path(target), list(tables))


if __name__ == "__main__":
    main(*sys.argv[1:])
