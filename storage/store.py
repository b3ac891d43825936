"""The store: the one door to everything that is kept."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from duckdb import DuckDBPyConnection

from proxmon.config import RetentionSettings
from proxmon.costs import Compaction, StoreReport
from proxmon.credentials import TokenSecret
from proxmon.errors import ConflictError, StoreUnavailableError
from proxmon.events import Event
from proxmon.fleet import Host
from proxmon.samples import Appended, Sample
from storage.alerts import AlertTable
from storage.backup import restore_backup
from storage.channels import ChannelTable
from storage.copies import CopiedChannels, CopiedCredentials, CopiedDatabase, NoWriter, Shown, find_database, read_shown
from storage.credentials import CredentialFile, Credentials
from storage.database import Database
from storage.directory import DataDirectory, unusable_error
from storage.inbox import Append, Inbox
from storage.readings import Readings
from storage.registry import delete_rows, insert_event, insert_host, mark_deleted
from storage.silences import SilenceTable
from storage.upkeep import Upkeep
from storage.writer import Writer


class Store(Readings, Credentials):
    """Hosts, samples and hashes of tokens in one data directory.

    All methods may be called from any thread and block until they are done, but for ``append``.
    """

    def __init__(
        self,
        directory: DataDirectory,
        database: Database,
        credentials: CredentialFile,
        writer: Writer,
        shown: Shown | None = None,
    ) -> None:
        Readings.__init__(self, database, writer)
        Credentials.__init__(self, credentials)
        self._directory = directory
        self.shown = shown  # None for a store that is written
        self.alerts = AlertTable(database, writer)
        self.silences = SilenceTable(database, writer)
        self.channels = ChannelTable(credentials)
        self._opened = ExitStack()  # what goes with a copy
        self._is_closed = False
        self._is_backing_up = Lock()
        # The writer would be torn out of DuckDB, which ends the process by an abort.
        atexit.register(self.close)
        self._drop_orphans()

    @classmethod
    def open(
        cls,
        directory: Path,
        inbox: Inbox | None = None,
        retention: RetentionSettings | None = None,
        patience_seconds: float = 0.0,
    ) -> Store:
        """Open the store of a data directory; create both where needed, and migrate forward.

        Without ``retention`` nothing is ever deleted: only the server knows how long its owner wants to keep what.

        Raises:
            StoreLockedError: another process has it open, and did not let it go in ``patience_seconds``.
            StoreUnavailableError: it cannot be opened; the text says why and what to do.
        """
        with ExitStack() as opened:
            held = DataDirectory(directory)
            held.acquire(patience_seconds)
            opened.callback(held.release)
            held.drop_leftovers()
            database = Database(held)
            opened.callback(database.close)
            database.open()
            credentials = CredentialFile(held.secrets_path)
            opened.callback(credentials.close)
            writer = Writer(database, held, inbox or Inbox(), Upkeep(retention))
            opened.callback(writer.close)
            store = cls(held, database, credentials, writer)
            opened.pop_all()
        return store

    @classmethod
    def open_copy(cls, path: Path) -> Store:
        """Open a bundle, a backup or a data directory to be read only; nothing is written to it.

        Every method that writes raises ReadOnlyError. Samples that only the journal of a directory has are not shown.

        Raises:
            NotFoundError: there is no store.
            StoreUnavailableError: it cannot be opened; StoreLockedError when a server has it open.
        """
        file = find_database(path)
        with ExitStack() as opened:
            # What an open copy needs beside itself: room for large queries, sessions, the cookie's key.
            scratch = Path(opened.enter_context(TemporaryDirectory(prefix="proxmon-copy-", ignore_cleanup_errors=True)))
            database = CopiedDatabase(file, scratch)
            opened.callback(database.close)
            database.open()
            credentials = CopiedCredentials(path, scratch)
            opened.callback(credentials.close)
            writer = NoWriter(database)
            store = cls(DataDirectory(scratch), database, credentials, writer, read_shown(database, writer.ledger))
            store.channels = CopiedChannels(credentials)
            store._opened = opened.pop_all()
        return store

    @staticmethod
    def is_in(directory: Path) -> bool:
        """Tell whether a data directory has a store. Raises StoreUnavailableError when it may not be looked into."""
        try:
            return DataDirectory(directory).database_path.exists()
        except OSError as error:
            raise unusable_error(directory, error) from error

    @property
    def directory(self) -> Path:
        """Return where files beside the store belong: its data directory, and for a copy one that goes with it."""
        return self._directory.path

    def close(self) -> None:
        """Store what was queued, checkpoint, and let the directory go; nothing happens the second time."""
        if self._is_closed:
            return
        self._is_closed = True
        atexit.unregister(self.close)
        self._end_queries()
        self._writer.close()
        self._database.close()
        self._credentials.close()
        self._directory.release()
        self._opened.close()

    def append(self, samples: Sequence[Sample], check: Callable[[], None] = lambda: None) -> Future[Appended]:
        """Queue samples as ``submit`` does; the future ends when they are durable, or with the error.

        Samples whose future is cancelled before their turn are not stored.
        """
        future: Future[Appended] = Future()

        def begin() -> None:
            if not future.set_running_or_notify_cancel():
                raise StoreUnavailableError("Nobody waits for these samples any more.")
            check()

        def end(outcome: Appended | Exception) -> None:
            if isinstance(outcome, Appended):
                future.set_result(outcome)
            elif not future.cancelled():
                future.set_exception(outcome)

        self.submit(samples, begin, end)
        return future

    def submit(
        self, samples: Sequence[Sample], check: Callable[[], None], ended: Callable[[Appended | Exception], None]
    ) -> None:
        """Queue samples to be stored together; ``ended`` is told once they are durable, or why they are not.

        That is SampleError when one of them cannot be stored, NotFoundError when its host was deleted, and
        StoreUnavailableError when none can be stored now; the samples of other calls are stored nevertheless.
        ``check`` is called just before they are stored; what it raises is told. Both are called in the writer's thread.

        Raises:
            OverloadedError: too many samples wait already.
        """
        self._writer.append(Append(samples, check, ended))

    def append_events(self, events: Sequence[Event]) -> Future[None]:
        """Queue events to be stored with the next commit; the future ends when they are durable."""
        return self._writer.remember(events)

    def keep_up(self, at: datetime) -> None:
        """Bring the rollups up to a moment and delete what is then too old, which otherwise happens by itself."""
        self._writer.keep_up(at)

    def back_up(self) -> Path:
        """Copy the store, its tokens and the cookie key into a new directory inside the data directory; returns it.

        Everything that was acknowledged before is in it. Samples are taken in meanwhile. The caller moves it away.

        Raises:
            ConflictError: a backup is being made already.
            StoreUnavailableError: there is no room, or the store cannot be written.
        """
        if not self._is_backing_up.acquire(blocking=False):
            raise ConflictError("Wait until the backup that runs has ended.")
        try:
            return self._writer.back_up()
        finally:
            self._is_backing_up.release()

    @staticmethod
    def restore(backup: Path, directory: Path) -> int:
        """Make a data directory of a backup and return how many hosts it has.

        Raises:
            NotFoundError: it is no backup; ConflictError: the directory is not empty.
            StoreUnavailableError: it cannot be written or read.
        """
        restore_backup(backup, directory)
        store = Store.open(directory)
        try:
            return len(store.snapshot().hosts)
        finally:
            store.close()

    def compact(self) -> Compaction:
        """Give the room of deleted rows back to the disk; samples are taken in and pages shown meanwhile.

        Raises:
            ConflictError: that is being done already.
            StoreUnavailableError: there is no room for it, or the store is read all the time.
        """
        return self._writer.compact()

    def report(self) -> StoreReport:
        """Return what the store holds; it takes up to a second in a large one. Raises StoreUnavailableError."""
        return self._writer.report()

    def check(self) -> None:
        """Raise StoreUnavailableError when samples cannot be stored now."""
        self._writer.check()

    def add_host(self, name: str, secret: TokenSecret, at: datetime) -> Host:
        """Add a host and give it an id that no host ever had; raises ConflictError when the name is taken."""

        def write(connection: DuckDBPyConnection) -> Host:
            host = insert_host(connection, name, at)
            # Before the commit: a host without a token cannot be used, a token without a host is dropped at start.
            self._credentials.put_host_secret(host.id, secret)
            return host

        return self._writer.run(write, then=lambda host: self._writer.ledger.host_ids.add(host.id))

    def rotate_host(self, host_id: int, secret: TokenSecret, at: datetime) -> None:
        """Replace a host's token; raises NotFoundError."""

        def write(connection: DuckDBPyConnection) -> None:
            insert_event(connection, host_id, at, "rotated")
            self._credentials.put_host_secret(host_id, secret)

        self._writer.run(write)

    def delete_host(self, host_id: int, at: datetime, *, keep_history: bool) -> None:
        """Delete a host with its token; its samples and events too unless they are kept. Raises NotFoundError."""

        def write(connection: DuckDBPyConnection) -> None:
            mark_deleted(connection, host_id, at)
            if not keep_history:
                delete_rows(connection, host_id)
            self._credentials.delete_host_secret(host_id)

        self._writer.run(write, then=lambda _: self._writer.ledger.forget(host_id, keep_history=keep_history))

    def record_goodbye(self, host_id: int, at: datetime, reason: str | None) -> None:
        """Write down that a host said goodbye; raises NotFoundError."""
        self._writer.run(lambda connection: insert_event(connection, host_id, at, "goodbye", reason))

    def _drop_orphans(self) -> None:
        known = self._writer.ledger.host_ids
        for secret in self._credentials.list_host_secrets():
            if secret.host_id not in known:
                self._credentials.delete_host_secret(secret.host_id)
