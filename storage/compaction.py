"""Gives room that deleted rows have left back to the disk, while samples are taken in and pages are shown.

DuckDB's file never shrinks, so its tables are written into a new one that takes its place:

1. The file is brought to rest by a checkpoint; what is written from then on goes to the log. Nothing is rolled up or
   deleted meanwhile, so that the large tables only grow at their end.
2. Other processes copy the file, since DuckDB would not open it a second time, and from there the large tables
   (storage/compacting.py). That takes two minutes for a gigabyte.
3. What was appended meanwhile, and the small tables as they are, are put into the new file (storage/successor.py).
4. As soon as nobody reads, the store is closed, the new file takes the old one's name, and the store is opened again.

A kill in any step leaves the old file or the new one, each whole; what is left over is deleted at the next start.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import duckdb

from proxmon.costs import Compaction, FileSize
from proxmon.errors import ConflictError, StoreUnavailableError
from storage.copying import delete_file
from storage.database import Database, first_line
from storage.directory import MIN_FREE_BYTES, STAGING, DataDirectory
from storage.filler import Filler
from storage.sizes import read_file_size
from storage.successor import GROWING, Successor

log = logging.getLogger(__name__)

CHECK_SECONDS = 600.0
# A smaller store is not worth the work, and what is deleted in an hour comes and goes.
MIN_GAIN_BYTES = 64 * 2**20
# A query looks at all of them. What a file has from before it was opened nobody merges (storage/merging.py).
MOST_SMALL_GROUPS = 1000
# How long it is tried to find a moment in which nobody reads; a query ends after 30 s by default.
QUIET_SECONDS, PAUSE_SECONDS = 120.0, 0.5
OPEN_FILES = Path("/proc/self/fd")  # proc(5)
_SMALL_GROUPS = """
SELECT count(DISTINCT row_group_id) - (SELECT count(*) // 122_880 FROM base.host_samples)
FROM pragma_storage_info('base.host_samples')
"""


class Compactor:
    """Compacts one open store, at most once at a time; by itself when it is due, unless ``above_percent`` is 0."""

    def __init__(self, database: Database, directory: DataDirectory, filler: Filler, above_percent: float) -> None:
        self._database, self._directory, self._filler = database, directory, filler
        self._above_percent = above_percent
        self._is_running, self._ending = threading.Lock(), threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self.last: Compaction | None = None
        self._thread = threading.Thread(target=self._watch, name="store-compactor", daemon=True)
        if above_percent:
            self._thread.start()

    @property
    def is_running(self) -> bool:
        """Tell whether the store is being compacted."""
        return self._is_running.locked()

    def is_due(self) -> bool:
        """Tell whether enough of the file is free, or it is in enough pieces, to be worth the work."""
        size = self._size()
        if size.free_bytes >= max(MIN_GAIN_BYTES, size.file_bytes * self._above_percent / 100):
            return True
        with self._database.reader() as cursor:
            [(small,)] = cursor.execute(_SMALL_GROUPS).fetchall()
        return small >= MOST_SMALL_GROUPS

    def compact(self) -> Compaction:
        """Write the store into a new file, which takes the old one's place; returns what that gained.

        Raises:
            ConflictError: that is being done already.
            StoreUnavailableError: there is no room, or somebody read all the time; the store is as it was.
        """
        if self._ending.is_set() or not self._is_running.acquire(blocking=False):
            raise ConflictError("Wait until the compaction that runs has ended.")
        staging = self._directory.path / (STAGING + secrets.token_hex(8))
        began_at, before = time.monotonic(), self._size().file_bytes
        try:
            self._check_room(before)
            staging.mkdir(mode=0o700)
            self._compact(staging)
        except (duckdb.Error, OSError) as error:
            raise StoreUnavailableError(f"The store could not be compacted: {first_line(error)}.") from error
        finally:
            self._delete(staging)
            self._is_running.release()
        self.last = Compaction(before, self._size().file_bytes, time.monotonic() - began_at)
        log.info("the store was compacted from %d to %d bytes", self.last.before_bytes, self.last.after_bytes)
        return self.last

    def close(self) -> None:
        """End what runs; the store stays as it is."""
        self._ending.set()
        child = self._child
        if child is not None:
            child.kill()
        if self._thread.is_alive():
            self._thread.join()
        with self._is_running:
            pass

    def _watch(self) -> None:
        while not self._ending.wait(CHECK_SECONDS):
            try:
                if self.is_due():
                    self.compact()
            except (StoreUnavailableError, ConflictError) as error:
                log.warning("the store is compacted later: %s", error)

    def _size(self) -> FileSize:
        with self._database.reader() as cursor:
            return read_file_size(cursor, self._directory)

    def _check_room(self, file_bytes: int) -> None:
        needed, free = 2 * file_bytes + MIN_FREE_BYTES, shutil.disk_usage(self._directory.path).free
        if free < needed:
            raise StoreUnavailableError(
                f"To be compacted the store needs {needed // 2**20} MiB beside itself and the disk has "
                f"{free // 2**20} MiB left: make room."
            )

    def _delete(self, staging: Path) -> None:
        with suppress(OSError):
            for path in staging.iterdir():
                if not self._ending.is_set():
                    delete_file(path)
        shutil.rmtree(staging, ignore_errors=True)

    def _compact(self, staging: Path) -> None:
        new, aside = Successor(staging / "fleet.duckdb"), staging / "before.duckdb"
        with self._filler.no_upkeep(), ExitStack() as rest:
            with self._filler.lock:
                rest.enter_context(self._filler.file_at_rest())
                new.note_ends(self._database.writer())
            self._copy_apart(staging / "copy.duckdb", new.path)
            with self._database.reader() as cursor:  # most of it, so that little is left to do while nothing is written
                new.bring_up(cursor)
            give_up_at = time.monotonic() + QUIET_SECONDS
            while not self._try_to_switch(rest, new, aside):
                if self._ending.wait(PAUSE_SECONDS) or time.monotonic() > give_up_at:
                    raise StoreUnavailableError("The store is read all the time: compact it later.")

    def _copy_apart(self, copy: Path, new: Path) -> None:
        # Not with -m, which would load the whole server.
        self._run_apart("copying.py", str(self._directory.database_path), str(copy))
        self._run_apart("compacting.py", str(copy), str(new), *GROWING)

    def _run_apart(self, script: str, *arguments: str) -> None:
        # Without the script's own folder in the path, whose modules have names that others use too.
        command = [sys.executable, "-P", str(Path(__file__).with_name(script)), *arguments]
        self._child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        if self._ending.is_set():
            self._child.kill()
        _, told = self._child.communicate()
        if self._child.returncode:
            reason = _find_error(told) or f"the copy ended with {self._child.returncode}"
            raise StoreUnavailableError(f"The store could not be compacted: {reason}.")

    def _try_to_switch(self, rest: ExitStack, new: Successor, aside: Path) -> bool:
        """Bring the new file up to date and put it in place; False when somebody reads just now."""
        with self._filler.lock:
            self._filler.fill()
            new.bring_up(self._database.writer())
            rest.close()  # fails when the file was not left alone
            # Or the log would be brought into the old file when that is closed, while readers and late samples wait.
            # What came since is in the journal, and must not get into the old file now.
            rest.enter_context(self._filler.file_at_rest(is_filled=True))
            new.note_ends(self._database.writer())
            if not self._database.pause_readers():
                return False
            try:
                rest.close()
                self._replace(new.path, aside)
            finally:
                self._database.resume_readers()
            self._filler.forget_file()
        return True

    def _replace(self, new: Path, aside: Path) -> None:
        path = self._directory.database_path
        self._database.close()
        try:
            if is_open(path) or self._directory.wal_bytes():
                raise StoreUnavailableError("The store is still being read: compact it later.")
            os.link(path, aside)
            new.replace(path)
            self._directory.sync()
            self._database.open()
        except BaseException:
            if aside.exists():
                aside.replace(path)
            self._database.open()
            raise


def _find_error(told: str) -> str | None:
    """Return the first line of the error that a traceback tells of; DuckDB's have further ones."""
    return next((line for line in told.splitlines() if line and not line.startswith((" ", "Traceback "))), None)


def is_open(path: Path) -> bool:
    """Tell whether this process has a file open, as far as the system tells; it is not opened for that."""
    if not OPEN_FILES.is_dir() or _has_descriptor(path):
        # A forgotten cursor keeps the old database, and DuckDB would give that for the new file's name. Collecting
        # holds up all threads, the more the more pages are open, so it is not done without need.
        gc.collect()
    return OPEN_FILES.is_dir() and _has_descriptor(path)


def _has_descriptor(path: Path) -> bool:
    sought = str(path.resolve())
    return any(_target(entry) == sought for entry in OPEN_FILES.iterdir())


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:  # it was the directory's own
        return ""
