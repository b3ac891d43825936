"""Recovery of a damaged write-ahead log: everything before the damage is kept, and the log itself beside it.

DuckDB refuses a log in which a checksum is wrong. But where it finds a length or the head damaged it takes the log for
one whose end was being written, opens without what follows, and cuts that off with its next write.
"""

from __future__ import annotations

import logging
import mmap
import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from storage.copying import copy_file
from storage.directory import DataDirectory
from storage.filled import find_filled, note_filled
from storage.typed import read_progress

log = logging.getLogger(__name__)

_POSITION = re.compile(r"byte position (\d+)")
# DuckDB names the start of the damaged entry; an entry's header of length and checksum may stand before that.
HEADER_BYTES = 16
# The entry that ends each transaction, in logs of version 2 (DuckDB 1.0 to 2.0): its length, its checksum, and itself.
_COMMIT = bytes.fromhex("0500000000000000 e7fe7d722fed3d5e 640064ffff")
# DuckDB tells how much of the log it has read only in words such as "47.9 KiB", so what was to be read is put so too.
_IS_CUT_SHORT = """
SELECT wal_size <> format_bytes(?) FROM pragma_database_size() WHERE database_name = current_database()
"""


def salvage_wal(directory: DataDirectory, error: duckdb.Error, try_open: Callable[[], None]) -> Path | None:
    """Cut the log at its damage until the file opens; return where the whole damaged log is kept.

    Returns None, with the log as it was, when the error is not about the log or cutting does not help.
    """
    wal_path = directory.wal_path
    if "wal" not in str(error).lower() or not wal_path.exists():
        return None
    aside = _keep_aside(directory)
    for length in _lengths(error, aside):
        _cut(wal_path, aside, length)
        if _opens(try_open):
            return aside
    shutil.move(aside, wal_path)
    return None


def tell_of_damage(connection: DuckDBPyConnection, directory: DataDirectory, aside: Path | None) -> None:
    """Warn when the database has less than it had, and keep the log that should have had the rest.

    To be called before anything is written: that ends the log. ``aside`` is where it is kept already. Raises OSError.
    """
    progress, filled = _find_progress(connection), find_filled(directory.path)
    missing = max(0, filled - progress) if filled is not None else None
    if aside is None and (missing or _is_cut_short(connection, directory.wal_path)) and directory.wal_bytes():
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")  # which would end the log, if it cannot be kept
        aside = _keep_aside(directory)
        connection.execute("PRAGMA enable_checkpoint_on_shutdown")
    count = "an unknown number of" if missing is None else missing
    if aside is not None:
        told = "the write-ahead log was damaged: %s acknowledged samples are missing; the damaged log is kept as %s"
        log.warning(told, count, aside.name)
    elif missing:
        log.warning("%s acknowledged samples are missing: their log is gone, or the database is an old one", count)
    if missing:
        note_filled(directory.path, progress)  # it is told once


def _find_progress(connection: DuckDBPyConnection) -> int:
    try:
        return read_progress(connection)
    except duckdb.CatalogException:
        return 0  # not even the tables are there


def _is_cut_short(connection: DuckDBPyConnection, wal_path: Path) -> bool:
    """Tell whether there are transactions in the log behind those that DuckDB has read."""
    end = _end_of_commits(wal_path)
    return end > 0 and connection.execute(_IS_CUT_SHORT, [end]).fetchall() == [(True,)]


def _end_of_commits(wal_path: Path) -> int:
    # DuckDB locks the database and not its log, which may be read.
    if not wal_path.exists() or not wal_path.stat().st_size:
        return 0
    with wal_path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = content.rfind(_COMMIT)
    return found + len(_COMMIT) if found >= 0 else 0


def _keep_aside(directory: DataDirectory) -> Path:
    """Copy the log beside itself; the copy is on disk when this returns."""
    name = f"{directory.wal_path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    aside = directory.path / name
    copy_file(str(directory.wal_path), str(aside))
    directory.sync()
    return aside


def _lengths(error: duckdb.Error, whole: Path) -> Iterator[int]:
    found = _POSITION.search(str(error))
    if found:
        yield int(found[1])
        yield max(int(found[1]) - HEADER_BYTES, 0)
    yield _end_of_commits(whole)  # if nothing but what follows is damaged, of which DuckDB may not say where it is
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
