"""Copies and deletes large files; also in a process of its own: ``python copying.py SOURCE TARGET``.

A process that closes any descriptor of the open database's file loses DuckDB's lock on it, so the server must never
read that file itself (storage/database.py).

Samples are acknowledged once the journal is on the disk, and its writes queue behind all that the disk was given
before. So beside a server a file is written, and deleted, in small pieces with rests in between.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

NICENESS = 10  # samples and pages come first
PIECE_BYTES = 2**20  # 10 ms of a disk that writes 100 MB/s
DELETED_BYTES = 32 * 2**20  # the file system frees, and discards, this many at once


def copy_file(source: str, target: str, *, rests: bool = False) -> None:
    """Copy a file that only its owner may read; it is on disk when it returns. With rests half of the disk is left."""
    with open(source, "rb") as reading, open(target, "wb", opener=_private) as writing:  # noqa: PTH123 - needs an opener
        while piece := reading.read(PIECE_BYTES):
            with _rest_after(rests):
                writing.write(piece)
                writing.flush()
                os.fdatasync(writing.fileno())


def delete_file(path: Path) -> None:
    """Delete a large file piece by piece from its end; an open one of another process would lose its rows."""
    with path.open("rb+", buffering=0) as file:
        for length in reversed(range(0, path.stat().st_size, DELETED_BYTES)):
            with _rest_after():
                file.truncate(length)
                os.fsync(file.fileno())
    path.unlink()


@contextmanager
def _rest_after(rests: bool = True) -> Generator[None]:
    """Sleep for as long as the disk was kept busy."""
    began = time.monotonic()
    yield
    if rests:
        time.sleep(time.monotonic() - began)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)


if __name__ == "__main__":
    os.nice(NICENESS)
    copy_file(*sys.argv[1:3], rests=True)
