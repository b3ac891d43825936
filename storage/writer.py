"""The one thread that writes: groups of samples, then other writes, then the typed tables, then a checkpoint."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from typing import TypeVar

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.errors import ProxmonError, SampleError, StoreUnavailableError
from proxmon.samples import Appended, Sample
from storage.database import Database, first_line
from storage.directory import DataDirectory
from storage.inbox import Append, Inbox, Task
from storage.intake import Prepared, Stored, prepare, store_group
from storage.ledger import Ledger
from storage.pace import Pace
from storage.rollups import transaction
from storage.typed import POISON, TypedTables, replay
from storage.upkeep import Upkeep

log = logging.getLogger(__name__)
T = TypeVar("T")

TYPED_INTERVAL_SECONDS = 1.0  # analysts see a sample within two seconds of its acknowledgement
MAX_UNTYPED_SAMPLES = 500  # bounds how long one filling of the typed tables holds up the next acknowledgement
MAX_UNTYPED_BACKLOG = 20 * MAX_UNTYPED_SAMPLES
MAX_GROUP_SAMPLES = 500
# A commit may wait 0.15 s for a checkpoint of this size; of 16 MiB twice that, and 4 MiB write a fifth more.
CHECKPOINT_WAL_BYTES = 8 * 2**20
REOPEN_INTERVAL_SECONDS = 1.0


class Writer:
    """Owns all writes of one open store."""

    def __init__(self, database: Database, directory: DataDirectory, inbox: Inbox, upkeep: Upkeep) -> None:
        self.ledger = Ledger()
        self._database, self._directory, self._inbox, self._upkeep = database, directory, inbox, upkeep
        self._typed, self._untyped, self._typed_at = TypedTables(), list[Stored](), float("-inf")
        self._pace = Pace()
        self._trouble: StoreUnavailableError | None = None
        self._is_broken, self._is_log_new = False, True
        self._checkpoint_bytes = CHECKPOINT_WAL_BYTES
        try:
            self._load()
        except duckdb.Error as error:
            raise StoreUnavailableError(f"The store cannot be read: {first_line(error)}") from error
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def append(self, samples: Sequence[Sample], check: Callable[[], None] = lambda: None) -> Future[Appended]:
        """Queue samples; the future ends when they are durable. Raises OverloadedError when too many wait."""
        item = Append(samples, time.monotonic(), check)
        self._inbox.put(item)
        return item.future

    def run(self, task: Callable[[DuckDBPyConnection], T], then: Callable[[T], None] | None = None) -> T:
        """Run a write in a transaction of its own, after what was queued before it, and wait for its result.

        ``then`` runs after its commit and before the next write, in the writer's thread.
        """
        item = Task(task, time.monotonic(), then or (lambda _: None))
        self._inbox.put(item)
        return item.future.result()

    def keep_up(self, at: datetime) -> None:
        """Do at once what is done in between otherwise: rollups, and the deletion of what is too old."""
        work = partial(self._upkeep.run, spans=self.ledger.spans, at=at)
        item = Task(work, time.monotonic(), lambda _: None, has_transactions=True)
        self._inbox.put(item)
        item.future.result()

    def check(self) -> None:
        """Raise StoreUnavailableError when samples cannot be stored now."""
        if not self._thread.is_alive():
            raise StoreUnavailableError("The store's writer has ended: restart the server.")
        if self._trouble is not None:
            raise self._trouble
        self._directory.check_room()

    def close(self) -> None:
        """Write what was queued, checkpoint, and end the thread."""
        self._inbox.close()
        self._thread.join()

    def _run(self) -> None:
        while (queued_at := self._inbox.wait(self._patience())) is not None or not self._inbox.is_closed:
            try:
                self._turn(queued_at)
            except Exception:
                # A writer that ends would leave every sender waiting for ever.
                log.exception("the writer's turn failed")
        self._finish()

    def _patience(self) -> float:
        if self._is_broken:
            return REOPEN_INTERVAL_SECONDS
        wait = self._upkeep.wait_seconds()
        if self._untyped:
            wait = min(wait, self._typed_at + TYPED_INTERVAL_SECONDS - time.monotonic())
        return max(0.0, wait)

    def _turn(self, queued_at: float | None) -> None:
        if queued_at is not None:
            self._linger(queued_at)
            self._work(self._inbox.take())
            self._protect()
            self._pace.note_commit(queued_at, time.monotonic())
        self._mend()
        is_due = time.monotonic() >= self._typed_at + TYPED_INTERVAL_SECONDS
        if is_due or len(self._untyped) >= MAX_UNTYPED_SAMPLES:
            self._fill_typed()
        self._keep_up()
        if self._directory.wal_bytes() >= self._checkpoint_bytes:
            self._checkpoint()

    def _linger(self, queued_at: float) -> None:
        wait = 0.0 if self._inbox.is_closed else self._pace.wait_seconds(queued_at, time.monotonic())
        if wait > 0:
            time.sleep(wait)

    def _work(self, items: Sequence[Append | Task]) -> None:
        group: list[Append] = []
        for item in items:
            if isinstance(item, Append):
                group.append(item)
                if sum(len(append.samples) for append in group) < MAX_GROUP_SAMPLES:
                    continue
            self._store(group)
            group = []
            if isinstance(item, Task):
                self._run_task(item)
        self._store(group)

    def _store(self, group: Sequence[Append]) -> None:
        prepared = [(append, ready) for append in group if (ready := self._prepare(append)) is not None]
        if not prepared:
            return
        try:
            self._directory.check_room()
            self._commit_group(prepared)
        except POISON as error:
            self._roll_back(error)
            self._isolate(prepared, error)
        except Exception as error:
            self._roll_back(error)
            if not isinstance(error, (duckdb.Error, OSError, StoreUnavailableError)):
                log.exception("samples could not be stored")
            for append, _ in prepared:
                append.future.set_exception(_unavailable(error))

    def _isolate(self, prepared: Sequence[tuple[Append, list[Prepared]]], error: Exception) -> None:
        if len(prepared) == 1:
            self._trouble = None
            prepared[0][0].future.set_exception(SampleError(f"Correct the sample: {first_line(error)}."))
            return
        for append, _ in prepared:
            self._store([append])

    def _prepare(self, append: Append) -> list[Prepared] | None:
        if not append.future.running() and not append.future.set_running_or_notify_cancel():
            return None
        try:
            append.check()
            return prepare(append.samples, self.ledger)
        except ProxmonError as error:
            append.future.set_exception(error)
        except Exception as error:
            # One sample that breaks our own code must not fail those that wait beside it.
            log.exception("a sample could not be prepared")
            append.future.set_exception(SampleError(f"Correct the sample: {first_line(error)}."))
        return None

    def _commit_group(self, prepared: Sequence[tuple[Append, list[Prepared]]]) -> None:
        everything = [sample for _, ready in prepared for sample in ready]
        stored = store_group(self._database.writer(), self.ledger, everything)
        self._trouble = None
        self._untyped += [entry for entry in stored if entry]
        position = 0
        for append, ready in prepared:
            is_new = tuple(entry is not None for entry in stored[position : position + len(ready)])
            position += len(ready)
            append.future.set_result(Appended(sum(is_new), len(is_new) - sum(is_new), is_new))

    def _run_task(self, task: Task) -> None:
        if not task.future.set_running_or_notify_cancel():
            return
        try:
            # A write such as a deletion must meet the typed rows of all samples that came before it.
            self._settle()
            connection = self._database.writer()
            with nullcontext() if task.has_transactions else transaction(connection):
                result = task.run(connection)
            task.then(result)
        except Exception as error:
            self._roll_back(error)
            task.future.set_exception(error if isinstance(error, ProxmonError) else _unavailable(error))
        else:
            task.future.set_result(result)

    def _settle(self) -> None:
        self._fill_typed()
        if self._untyped or self._is_broken:
            raise self._trouble or StoreUnavailableError("The store cannot be written now: try again.")

    def _fill_typed(self) -> None:
        self._typed_at = time.monotonic()
        if not self._untyped or self._is_broken:
            return
        try:
            self._typed.append(self._database.writer(), self._untyped, self._untyped[-1].sample_id)
        except (duckdb.Error, StoreUnavailableError) as error:
            # The samples themselves are safe, and are tried again; too many are read again from the store instead.
            self._roll_back(error)
            self._is_broken |= len(self._untyped) > MAX_UNTYPED_BACKLOG
            log.warning("the typed tables wait: %s", first_line(error))
            return
        self._untyped = []

    def _keep_up(self) -> None:
        if self._is_broken or self._inbox.is_closed:
            return
        trouble = self._trouble
        try:
            self._upkeep.step(self._database.writer(), self.ledger.spans)
        except Exception as error:
            self._roll_back(error)
            # Samples can be stored nevertheless, and the next time everything is tried again.
            self._trouble = trouble
            log.exception("rollups and deletions wait")

    def _protect(self) -> None:
        # Each checkpoint ends the write-ahead log, and the next write makes a new one with the mode of the umask.
        if self._is_log_new:
            self._directory.protect_files()
            self._is_log_new = False

    def _checkpoint(self) -> None:
        try:
            self._database.writer().execute("CHECKPOINT")
            self._is_log_new, self._checkpoint_bytes = True, CHECKPOINT_WAL_BYTES
        except (duckdb.Error, StoreUnavailableError) as error:
            self._roll_back(error)
            # Not again after each commit, only when the log has grown as much again.
            self._checkpoint_bytes = self._directory.wal_bytes() + CHECKPOINT_WAL_BYTES
            log.warning("the store could not be checkpointed: %s", first_line(error))

    def _roll_back(self, error: BaseException) -> None:
        """Leave the transaction that failed; when that fails too the file must be opened anew."""
        if not isinstance(error, (*POISON, ProxmonError)) or isinstance(error, StoreUnavailableError):
            self._trouble = _unavailable(error)
        try:
            self._database.writer().execute("ROLLBACK")
        except duckdb.TransactionException:
            pass  # there was none
        except (duckdb.Error, StoreUnavailableError):
            self._is_broken = True
        self._is_broken |= isinstance(error, duckdb.FatalException)

    def _mend(self) -> None:
        """Open a database anew that a full disk or another fatal error has invalidated."""
        if not self._is_broken:
            return
        try:
            self._database.close()
            self._database.open()
            self._load()
        except (duckdb.Error, StoreUnavailableError) as error:
            log.warning("the store cannot be opened again yet: %s", first_line(error))
            return
        self._is_broken, self._trouble = False, None
        log.warning("the store was opened again after a fatal error")

    def _load(self) -> None:
        connection = self._database.writer()
        self.ledger = Ledger.load(connection)
        self._untyped = []
        self._upkeep.forget()
        replay(connection, self._typed)

    def _finish(self) -> None:
        self._fill_typed()
        if not self._is_broken:
            self._checkpoint()


def _unavailable(error: BaseException) -> StoreUnavailableError:
    if isinstance(error, StoreUnavailableError):
        return error
    unavailable = StoreUnavailableError(f"The sample could not be stored: {first_line(error)}")
    unavailable.__cause__ = error
    return unavailable
