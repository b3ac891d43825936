"""The open DuckDB file: connecting, repairing, cursors for readers, and opening anew after a fatal error.

Never open the database file from Python: DuckDB holds it by a POSIX lock, which a process loses as soon as it
closes any descriptor of that file, and a second process could then write into it.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.errors import StoreUnavailableError
from storage.directory import DataDirectory, locked_error
from storage.errors import StoreLockedError
from storage.guard import Guard
from storage.migrations import migrate
from storage.salvage import salvage_wal, tell_of_damage

log = logging.getLogger(__name__)

# Blocks that were written or read stay in memory, up to the limit; of those that nobody uses this much is kept.
RESTING_MEMORY = "16MB"
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # The format that DuckDB 1.5 and 2.0 both read and write, and the first that compresses long text.
    "storage_compatibility_version": "v1.5.0",
    # Of a new file. Each column that was written since the last checkpoint takes two blocks of memory, some 300 columns
    # in all, and whoever reads what a checkpoint left reads whole blocks: with DuckDB's 256 KiB both cost four times as
    # much, and the file is half as large again until it is compacted.
    "default_block_size": "65536",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    # The writer checkpoints itself, between two groups: DuckDB would do it inside a commit that somebody waits for.
    "wal_autocheckpoint": "1TB",
    "memory_limit": "512MB",
    # A second thread is woken for each small insert: it costs a third more CPU, and gains a fifth on long scans.
    "threads": 1,
}
SETTINGS = (
    # Else what was freed goes back to the system only when somebody allocates again.
    "SET GLOBAL allocator_background_threads = true",
    "SET GLOBAL allocator_flush_threshold = '16MB'",
    # A checkpoint would merge small row groups and hold all their payloads in memory as they came: hundreds of MB of a
    # large fleet, and of large payloads more than may be had, which ends the database. See storage/merging.py.
    "SET GLOBAL max_vacuum_tasks = 0",
    # It chooses the row groups of ORDER BY … LIMIT by rows that are just being appended, and may leave none.
    "SET GLOBAL disabled_optimizers = 'row_group_pruner'",
    # Stored times have no zone: compared with now() they would be taken for the server's local time.
    "SET GLOBAL TimeZone = 'UTC'",
    # A thousand nested operators, DuckDB's own limit, keep it planning for minutes in which nothing interrupts it.
    "SET GLOBAL max_expression_depth = 250",
    # What a query sorts on disk must not take the room that samples need.
    "SET GLOBAL max_temp_directory_size = '2GB'",
    # The store reads no other file and loads nothing, whatever SQL it is asked to run (storage/gate.py).
    "SET GLOBAL enable_external_access = false",
    "SET GLOBAL allowed_configs = ['memory_limit']",
    "SET GLOBAL lock_configuration = true",
)
REOPEN_WAIT_SECONDS = 10.0
PAUSE_WAIT_SECONDS = 0.1  # a chart takes less, and whoever opens a page must not wait for longer
_LOCK_HOLDER = re.compile(r"Could not set lock.*?\(PID (\d+)\)", re.DOTALL)


class Database:
    """The DuckDB file of one data directory."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._root: DuckDBPyConnection | None = None
        self._readers = 0
        self._is_paused = False
        self._changed = threading.Condition()
        self.guard = Guard()

    def open(self) -> None:
        """Open the file, create it where needed, and migrate it.

        Raises:
            StoreUnavailableError: it cannot be opened; StoreLockedError when another process has it open.
        """
        try:
            root, aside = self._connect()
            with ExitStack() as opened:
                opened.callback(root.close)
                quiet(root)
                tell_of_damage(root, self._directory, aside)
                migrate(root)
                for setting in SETTINGS:
                    root.execute(setting)
                opened.pop_all()
        except (duckdb.Error, OSError) as error:
            raise StoreUnavailableError(f"The store cannot be opened: {first_line(error)}") from error
        self._directory.protect_files()
        self._root = root

    def close(self) -> None:
        """Close the file; nothing happens when it is closed."""
        with self._changed:
            root, self._root = self._root, None
            # Cursors keep the database alive, and a database that is alive cannot be opened anew.
            self._changed.wait_for(lambda: self._readers == 0, timeout=REOPEN_WAIT_SECONDS)
        if root is not None:
            root.close()

    def writer(self) -> DuckDBPyConnection:
        """Return the connection of the writer's thread; raises StoreUnavailableError when the file is closed."""
        if self._root is None:
            raise StoreUnavailableError("The store is closed: it is opened again as soon as that is possible.")
        return self._root

    @contextmanager
    def reader(self) -> Generator[DuckDBPyConnection, None, None]:
        """Give a cursor that sees one moment of the store and cannot change it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_paused)
            cursor = self.writer().cursor()
            self._readers += 1
        try:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            yield cursor
        except duckdb.Error as error:
            raise StoreUnavailableError(f"The store cannot be read: {first_line(error)}") from error
        finally:
            cursor.close()
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    def let_go(self) -> None:
        """Give most of the memory back that only keeps blocks for later; nothing happens while somebody reads.

        Who wants to read meanwhile waits for these milliseconds: a query would fail for the lower limit.
        """
        with self._changed:
            if self._readers:
                return
            connection = self.writer()
            try:
                with suppress(duckdb.OutOfMemoryException):  # there is more that is needed
                    connection.execute(f"SET GLOBAL memory_limit = '{RESTING_MEMORY}'")
            finally:
                connection.execute(f"SET GLOBAL memory_limit = '{CONFIG['memory_limit']}'")

    def pause_readers(self) -> bool:
        """Let new readers wait until ``resume_readers``; False, and nothing waits, when somebody reads on."""
        with self._changed:
            self._is_paused = True
            if self._changed.wait_for(lambda: self._readers == 0, timeout=PAUSE_WAIT_SECONDS):
                return True
            self.resume_readers()
            return False

    @contextmanager
    def row_ids_kept(self) -> Generator[None]:
        """Keep a checkpoint from moving rows under who reads: it drops empty groups, and later rows get other ids.

        DuckDB lets nobody notice who began before the last commit. But queries of others read a table twice and join
        on row ids, for a ``LIMIT`` or a sample, and would get columns of different rows.
        """
        if self.pause_readers():
            try:
                yield
            finally:
                self.resume_readers()
            return
        guard = self.writer().cursor()
        try:
            guard.execute("BEGIN TRANSACTION READ ONLY")
            guard.execute("SELECT sample_id FROM base.typed_progress").fetchall()
            # Now somebody has begun before the last commit, and empty groups stay until a later checkpoint.
            self.writer().execute("UPDATE base.typed_progress SET sample_id = sample_id")
            yield
        finally:
            guard.close()

    def resume_readers(self) -> None:
        """Let readers go on that had to wait."""
        with self._changed:
            self._is_paused = False
            self._changed.notify_all()

    def _connect(self) -> tuple[DuckDBPyConnection, Path | None]:
        """Open the file, if need be with a part of its log; return with it where a damaged log is kept then."""
        path = str(self._directory.database_path)
        try:
            return duckdb.connect(path, config=CONFIG), None
        except duckdb.Error as error:
            held = locked_by(self._directory.path, error)
            if held is not None:
                raise held from error
            aside = salvage_wal(self._directory, error, lambda: duckdb.connect(path, config=CONFIG).close())
            if aside is None:
                raise
        return duckdb.connect(path, config=CONFIG), aside


def quiet(connection: DuckDBPyConnection) -> None:
    """Keep DuckDB from drawing progress bars among what others print."""
    # In a notebook without ipywidgets DuckDB can draw none, and refuses even to be told so.
    with suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")


def locked_by(path: Path, error: BaseException) -> StoreLockedError | None:
    """Return the error that says which process has the file open, if that is what the error tells of."""
    holder = _LOCK_HOLDER.search(str(error))
    return locked_error(path, holder[1]) if holder else None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text: DuckDB adds a stack trace and the SQL after it."""
    return str(error).partition("\n")[0]


def unavailable(error: BaseException) -> StoreUnavailableError:
    """Return the error that senders are told of."""
    if isinstance(error, StoreUnavailableError):
        return error
    found = StoreUnavailableError(f"The sample could not be stored: {first_line(error)}")
    found.__cause__ = error
    return found
