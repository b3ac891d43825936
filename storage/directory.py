"""The data directory: who may read it, who holds it, and whether there is room."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import time
from pathlib import Path

from proxmon.errors import StoreUnavailableError
from storage.errors import StoreLockedError

log = logging.getLogger(__name__)

# A full disk in mid-checkpoint invalidates the open database, so stop before: a checkpoint writes at most what the
# write-ahead log holds, and the rest is for the log's own growth until the next look.
MIN_FREE_BYTES = 16 * 2**20
LOCK_LOOK_SECONDS = 0.02
PLACE_SECONDS = 1.0  # how long what was seen of the directory holds
STAGING = ".compact-"  # what a compaction makes, until it is whole


class DataDirectory:
    """The directory that one store owns while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database_path = path / "fleet.duckdb"
        self.wal_path = path / "fleet.duckdb.wal"
        self.journal_paths = (path / "fleet.journal-1", path / "fleet.journal-2")
        self.secrets_path = path / "secrets.sqlite"
        self._lock_path = path / "store.lock"
        self._lock: int | None = None
        self._placed_at = float("-inf")

    def acquire(self, patience_seconds: float = 0.0) -> None:
        """Make the directory where needed and hold it for this process; wait so long for another to let it go.

        Raises:
            StoreLockedError: another store holds it; the text says which process.
            StoreUnavailableError: it cannot be made or written.
        """
        try:
            self._make()
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unusable_error(self.path, error) from error
        self._claim(self._lock, time.monotonic() + patience_seconds)

    def drop_leftovers(self) -> None:
        """Delete what a compaction left behind that a kill has ended."""
        for staging in self.path.glob(STAGING + "*"):
            shutil.rmtree(staging, ignore_errors=True)

    def sync(self) -> None:
        """Make the names of the files durable."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def journal_bytes(self) -> int:
        """Return the size of the journal's two files."""
        return sum(path.stat().st_size for path in self.journal_paths if path.exists())

    def release(self) -> None:
        """Let the directory go; nothing happens when it is not held."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def protect_files(self) -> None:
        """Take the files from everybody but their owner. Raises StoreUnavailableError when they are another's."""
        for path in (self.database_path, self.wal_path, self.secrets_path):
            try:
                path.chmod(0o600)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise unusable_error(path, error) from error

    def wal_bytes(self) -> int:
        """Return the size of the write-ahead log; 0 when there is none."""
        try:
            return self.wal_path.stat().st_size
        except FileNotFoundError:
            return 0

    def check(self) -> None:
        """Raise StoreUnavailableError when nothing more may be written into the directory."""
        if time.monotonic() >= self._placed_at + PLACE_SECONDS:
            self._check_place()
            self._placed_at = time.monotonic()
        self._check_room()

    def _check_place(self) -> None:
        """Raise StoreUnavailableError when the directory or the database is not any more where it was opened."""
        try:
            is_ours = self._lock is None or os.path.samestat(os.fstat(self._lock), self._lock_path.stat())
            is_whole = is_ours and all(path.exists() for path in (self.database_path, *self.journal_paths))
        except OSError:
            is_whole = False
        if not is_whole:
            raise StoreUnavailableError(
                f"The data directory {self.path} was moved, replaced or emptied while the server runs: stop the "
                "server, put the directory back, and start it again."
            )

    def _check_room(self) -> None:
        """Raise StoreUnavailableError when the disk is too full to go on safely, or cannot be asked."""
        needed = MIN_FREE_BYTES + self.wal_bytes()
        try:
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise unusable_error(self.path, error) from error
        if free < needed:
            raise StoreUnavailableError(
                f"The disk of {self.path} has {free // 2**20} MiB left and the store needs {needed // 2**20} MiB: "
                "make room."
            )

    def _make(self) -> None:
        # An existing directory keeps its mode: it may be one that other programs use too, such as /tmp.
        if not self.path.is_dir():
            self.path.mkdir(mode=0o700, parents=True)
        elif self.path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            log.warning("others may list the data directory %s: chmod 700 it", self.path)

    def _claim(self, lock: int, until: float) -> None:
        # A lock file of our own, since DuckDB's lock does not stop a second store of the same process.
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= until:
                    holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
                    self.release()
                    raise locked_error(self.path, holder) from error
            time.sleep(LOCK_LOOK_SECONDS)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def unusable_error(path: Path, error: OSError) -> StoreUnavailableError:
    """Return the error that says what to do about a data directory, or a file in it, that the system refuses."""
    return StoreUnavailableError(
        f"The data directory cannot be used ({path}: {error.strerror}): correct its owner and mode, or choose another "
        "with --data or PROXMON_DATA."
    )


def locked_error(path: Path, holder: str) -> StoreLockedError:
    """Return the error that says which process holds the data directory."""
    return StoreLockedError(
        f"The data directory {path} is in use by process {holder or 'unknown'}: "
        "stop it, or choose another with --data or PROXMON_DATA."
    )
