"""Copies tables into another file in a process of its own: ``python compacting.py SOURCE COPY TARGET TABLE…``.

The source is a database that another process has open and leaves as it is for so long: its bytes are copied first,
since DuckDB would not open it a second time. A process of its own, so that the server's memory does not grow and that
it can be ended at any moment.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import duckdb

NICENESS = 10  # samples and pages come first
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "512MB",
    "threads": 1,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def copy_tables(source: Path, target: Path, tables: list[str]) -> None:
    """Put the rows of tables into those of the same names in a file that has them, in their order."""
    with duckdb.connect(str(target), config=CONFIG) as connection:
        connection.execute("ATTACH '" + str(source).replace("'", "''") + "' AS source (READ_ONLY)")
        for table in tables:
            connection.execute("INSERT INTO base." + table + " FROM source.base." + table)
        connection.execute("CHECKPOINT")


def main(source: str, copy: str, target: str, *tables: str) -> None:
    """Copy the file, then its tables, and leave the new file alone."""
    os.nice(NICENESS)
    shutil.copyfile(source, copy)
    copy_tables(Path(copy), Path(target), list(tables))
    Path(copy).unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
