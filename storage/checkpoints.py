"""When the open file is checkpointed, what follows from it, and who copies the file meanwhile."""

from __future__ import annotations

from storage.database import Database
from storage.directory import DataDirectory
from storage.merging import Merger

# A query may wait 0.3 s for a checkpoint of this size. Each leaves row groups of its own, which nothing merges soon:
# those of 8 MiB would take half as much room again on the disk.
CHECKPOINT_WAL_BYTES = 16 * 2**20
# DuckDB keeps 2 KB in memory for each column of each row group that was written since the file was opened: after so
# many checkpoints some 4 MB, which are given back when it is opened anew. A hundred hosts need three hours for that.
MOST_CHECKPOINTS = 50


# Sooner where much memory is taken that only a checkpoint gives back.
HASTY_WAL_BYTES = 4 * 2**20


class Checkpoints:
    """The checkpoints of one open file; whoever uses it holds the lock of the connection that writes."""

    def __init__(self, database: Database, directory: DataDirectory) -> None:
        self.copies = 0  # by whom the file has to be kept as it is
        self.rewrites = 0  # how often it was written or opened anew
        self._since_opened = 0
        self._database, self._directory = database, directory
        self._merger = Merger()
        self._due_bytes = CHECKPOINT_WAL_BYTES
        self._is_log_new = True

    @property
    def is_due(self) -> bool:
        """Tell whether the log has grown large enough, and nobody copies the file."""
        return not self.copies and self._directory.wal_bytes() >= self._due_bytes

    def write(self) -> None:
        """Write the log into the file. Raises duckdb.Error or StoreUnavailableError."""
        self.rewrites += 1
        self._since_opened += 1
        # After an error not again with each commit, only when the log has grown as much again.
        self._due_bytes = self._directory.wal_bytes() + CHECKPOINT_WAL_BYTES
        with self._database.row_ids_kept():
            self._merger.checkpoint(self._database.writer())
        self._database.let_go()
        self._is_log_new, self._due_bytes = True, CHECKPOINT_WAL_BYTES

    def hasten(self) -> None:
        """Let the next one come when the log has a quarter of its usual size."""
        self._due_bytes = min(self._due_bytes, HASTY_WAL_BYTES)

    def merge(self) -> bool:
        """Put small row groups together after a checkpoint, for the next one; False when none are due."""
        return self._merger.merge(self._database.writer())

    def renew(self) -> bool:
        """Open the file anew after many checkpoints, unless somebody reads just now; tell whether that was done.

        Raises duckdb.Error or StoreUnavailableError.
        """
        if self._since_opened < MOST_CHECKPOINTS or not self._database.pause_readers():
            return False
        try:
            kept = self._merger.keep(self._database.writer())
            self.open_anew()
            self._merger.resume(self._database.writer(), kept)
        finally:
            self._database.resume_readers()
        return True

    def open_anew(self) -> None:
        """Close the file and open it. Raises duckdb.Error or StoreUnavailableError."""
        self.forget_file()
        self._database.close()
        self._database.open()

    def protect_log(self) -> None:
        """Let nobody else read the log: each checkpoint ends it, and the next write makes one as the umask has it."""
        if self._is_log_new and self._directory.wal_bytes():
            self._directory.protect_files()
            self._is_log_new = False

    def forget_file(self) -> None:
        """Take note that the file was opened anew, or that another one has taken its place."""
        self.rewrites += 1
        self._since_opened = 0
        self._merger.forget()
        self._is_log_new = True
