"""Recovery of a damaged write-ahead log: everything before the damage is kept."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb

log = logging.getLogger(__name__)

_POSITION = re.compile(r"byte position (\d+)")
# DuckDB names the start of the damaged entry; an entry's header of length and checksum may stand before that.
HEADER_BYTES = 16


def salvage_wal(wal_path: Path, error: duckdb.Error, try_open: Callable[[], None]) -> bool:
    """Cut the log at its damage until the file opens; keep the whole damaged log beside it.

    Returns False, with the log as it was, when the error is not about the log or cutting does not help.
    """
    if "wal" not in str(error).lower() or not wal_path.exists():
        return False
    aside = wal_path.with_name(f"{wal_path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    shutil.copy2(wal_path, aside)
    for length in _lengths(error):
        _cut(wal_path, aside, length)
        if _opens(try_open):
            log.warning(
                "the write-ahead log was damaged: %d of its %d bytes were recovered; the damaged log is kept as %s",
                length,
                aside.stat().st_size,
                aside.name,
            )
            return True
    shutil.move(aside, wal_path)
    return False


def _lengths(error: duckdb.Error) -> Iterator[int]:
    found = _POSITION.search(str(error))
    if found:
        yield int(found[1])
        yield max(int(found[1]) - HEADER_BYTES, 0)
    yield 0


def _cut(wal_path: Path, whole: Path, length: int) -> None:
    shutil.copy2(whole, wal_path)
    os.truncate(wal_path, length)
    if length == 0:
        wal_path.unlink()


def _opens(try_open: Callable[[], None]) -> bool:
    try:
        try_open()
    except duckdb.Error as error:
        log.info("the shortened log does not open: %s", str(error).partition("\n")[0])
        return False
    return True
