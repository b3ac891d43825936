"""Copies one file in a process of its own: ``python copying.py SOURCE TARGET``.

A process that closes any descriptor of the open database's file loses DuckDB's lock on it, so the server must never
read that file itself (storage/database.py).
"""

from __future__ import annotations

import os
import shutil
import sys

NICENESS = 10  # samples and pages come first


def copy_file(source: str, target: str) -> None:
    """Copy a file that only its owner may read; it is on disk when it returns."""
    with open(source, "rb") as reading, open(target, "wb", opener=_private) as writing:  # noqa: PTH123 - needs an opener
        shutil.copyfileobj(reading, writing, 2**20)
        writing.flush()
        os.fsync(writing.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)


if __name__ == "__main__":
    os.nice(NICENESS)
    copy_file(*sys.argv[1:3])
