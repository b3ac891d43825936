"""Copies tables into another file in a process of its own: ``python compacting.py SOURCE COPY TARGET TABLE…``.

The source is a database that another process has open and leaves as it is for so long: its bytes are copied first,
since DuckDB would not open it a second time. A process of its own, so that the server's memory does not grow and that
it can be ended at any moment.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import duckdb

NICENESS = 10  # samples and pages come first
PIECE_BYTES, FLUSH_SECONDS = 4 * 2**20, 0.5
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "512MB",
    "threads": 1,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def copy_tables(source: Path, target: Path, tables: list[str]) -> None:
    """Put the rows of tables into those of the same names in a file that has them, in their order."""
    with flushed(target), duckdb.connect(str(target), config=CONFIG) as connection:
        connection.execute("ATTACH '" + str(source).replace("'", "''") + "' AS source (READ_ONLY)")
        for table in tables:
            connection.execute("INSERT INTO base." + table + " FROM source.base." + table)
        connection.execute("CHECKPOINT")


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


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's bytes, each piece through to the disk."""
    with source.open("rb") as reading, target.open("xb") as writing:
        while piece := reading.read(PIECE_BYTES):
            writing.write(piece)
            writing.flush()
            os.fdatasync(writing.fileno())


def main(source: str, copy: str, target: str, *tables: str) -> None:
    """Copy the file, then its tables, and leave the new file alone."""
    os.nice(NICENESS)
    copy_file(Path(source), Path(copy))
    copy_tables(Path(copy), Path(target), list(tables))
    Path(copy).unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
