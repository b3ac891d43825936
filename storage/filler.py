"""Brings what the journal holds into DuckDB, and does there what has to be done in between."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Sequence, Set
from contextlib import contextmanager, nullcontext

import duckdb

from proxmon.errors import ProxmonError, StoreUnavailableError
from storage.backlog import MAX_GROUP_SAMPLES, Backlog
from storage.checkpoints import Checkpoints
from storage.database import Database, first_line, unavailable
from storage.directory import DataDirectory
from storage.inbox import Task
from storage.intake import Key, Stored
from storage.journal import Journal
from storage.ledger import Ledger
from storage.notes import Notes
from storage.replay import bring_up_to_date
from storage.rollups import transaction
from storage.typed import POISON, read_progress
from storage.upkeep import Upkeep

log = logging.getLogger(__name__)

# Whoever asks meets everything that was acknowledged, whatever this is. A commit writes some 15 KB besides its rows.
FILL_INTERVAL_SECONDS = 5.0
REOPEN_INTERVAL_SECONDS = 1.0


class Filler:
    """Owns the one connection that writes: whoever uses it holds ``lock``."""

    def __init__(self, database: Database, directory: DataDirectory, upkeep: Upkeep) -> None:
        self.lock = threading.RLock()
        self.trouble: StoreUnavailableError | None = None
        self._database, self._directory, self._upkeep = database, directory, upkeep
        self._filled_at = float("-inf")
        self._is_broken = self._is_closing = False
        self._checkpoints = Checkpoints(database, directory)
        self._stills = 0
        self._called = threading.Event()
        self.notes = Notes(self._called.set)
        self.ledger, self._tables = bring_up_to_date(database.writer(), directory.journal_paths)
        upkeep.begin(self.ledger.spans)
        self._backlog = Backlog(Journal(directory.journal_paths))
        self._thread = threading.Thread(target=self._run, name="store-filler", daemon=True)
        self._thread.start()

    @property
    def pending_keys(self) -> Set[Key]:
        """Return the names of the samples that are in the journal and not yet in DuckDB."""
        return self._backlog.keys

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    def add(self, entries: Sequence[Stored]) -> None:
        """Make samples durable, and bring them into DuckDB soon. Raises OSError."""
        self._backlog.add(entries)
        # Not asked before they were added: the other thread may empty it meanwhile.
        was_empty = len(self._backlog) <= len(entries)
        if was_empty or self._backlog.has_group:
            self._called.set()

    def probe(self) -> None:
        """See whether something could be made durable now. Raises OSError."""
        self._backlog.probe()

    def admit(self) -> None:
        """Let more samples come; behind or after trouble DuckDB takes them in first. Raises StoreUnavailableError."""
        self._directory.check()
        if self.trouble is not None or self._backlog.is_full:
            with self.lock:
                self.fill()
            if self.trouble is not None:
                raise self.trouble

    def run(self, task: Task) -> None:
        """Do another write, which meets all samples that came before it."""
        if not task.future.set_running_or_notify_cancel():
            return
        with self.lock:
            try:
                self.fill()
                if self._backlog or self._is_broken:
                    raise self.trouble or StoreUnavailableError("The store cannot be written now: try again.")
                connection = self._database.writer()
                with nullcontext() if task.has_transactions else transaction(connection):
                    result = task.run(connection)
                task.then(result)
            except Exception as error:
                self._roll_back(error)
                task.future.set_exception(error if isinstance(error, ProxmonError) else unavailable(error))
            else:
                task.future.set_result(result)
                with self._spared("the log may be readable by others"):
                    self._checkpoints.protect_log()

    def fill(self) -> None:
        """Bring everything that is pending into DuckDB; ``trouble`` says why that was not possible."""
        self._mend()
        self._filled_at = time.monotonic()
        if self._is_broken:
            return
        self._backlog.turn()
        count = len(self._backlog)
        try:
            for begin in range(0, count, MAX_GROUP_SAMPLES):
                if begin:
                    self.checkpoint()
                self._fill_group(min(MAX_GROUP_SAMPLES, count - begin))
            self.notes.write(self._database.writer())
            self._checkpoints.protect_log()
        except Exception as error:
            # The samples are safe in the journal and are tried again.
            self._roll_back(error)
            is_expected = isinstance(error, (duckdb.Error, StoreUnavailableError))
            log.warning("samples wait in the journal: %s", first_line(error), exc_info=None if is_expected else error)
            return
        self.trouble = None

    def close(self) -> None:
        """Bring everything into DuckDB, checkpoint, and end the thread."""
        self._is_closing = True
        self._called.set()
        self._thread.join()
        with self.lock:
            self.fill()
            if not self._is_broken:
                self._checkpoint()
            self._backlog.close()

    def checkpoint(self) -> None:
        """Write the log into the file when it has grown large enough, and nobody copies the file."""
        if self._checkpoints.is_due and self._checkpoint() and not self._stills:
            with self._spared("small row groups stay"):
                if self._checkpoints.merge():
                    self._checkpoint()
            self._renew()

    def settle(self) -> None:
        """Bring in everything that was acknowledged before, in the thread that asks: the journal goes on meanwhile.

        Raises:
            StoreUnavailableError: that is not possible now.
        """
        with self.lock:
            waiting = self._backlog.last_id
            self.fill()
            if self._is_broken or (self._backlog and self._backlog.first_id <= waiting):
                raise self.trouble or StoreUnavailableError("The store cannot be written now: try again.")

    @contextmanager
    def file_at_rest(self, *, is_filled: bool = False) -> Generator[None, None, None]:
        """Bring everything into the file and keep it as it is for so long, to be copied; writes go on, into the log.

        Once it ``is_filled``, what has been acknowledged since stays in the journal.

        Raises:
            StoreUnavailableError: that was not possible, and what was copied is worth nothing.
        """
        with self.lock:
            if not is_filled:
                self.settle()
            if not self._checkpoint():
                raise self.trouble or StoreUnavailableError("The store cannot be written now: try again.")
            expected = self._checkpoints.rewrites
            self._checkpoints.copies += 1
        try:
            yield
        finally:
            with self.lock:
                self._checkpoints.copies -= 1
        if self._checkpoints.rewrites != expected:
            raise StoreUnavailableError("The store was closed or opened anew in between: try again.")

    @contextmanager
    def no_upkeep(self) -> Generator[None, None, None]:
        """Roll up and delete nothing for so long."""
        with self.lock:
            self._stills += 1
        try:
            yield
        finally:
            with self.lock:
                self._stills -= 1

    def forget_file(self) -> None:
        """Take note that another file has taken the place of the store's."""
        self._checkpoints.forget_file()
        self._upkeep.forget()

    def _run(self) -> None:
        while not self._is_closing:
            self._called.wait(self._patience())
            self._called.clear()
            with self.lock:
                try:
                    self._turn()
                except Exception as error:
                    # Samples would stay in the journal for ever.
                    self.trouble = unavailable(error)
                    log.exception("the filler's turn failed")

    def _patience(self) -> float:
        if self._is_broken or self.trouble:
            return REOPEN_INTERVAL_SECONDS
        if self._backlog.has_group:
            return 0.0
        wait = self._upkeep.wait_seconds()
        if self._backlog or self.notes:
            wait = min(wait, self._filled_at + FILL_INTERVAL_SECONDS - time.monotonic())
        return max(0.0, wait)

    def _turn(self) -> None:
        is_due = time.monotonic() >= self._filled_at + FILL_INTERVAL_SECONDS
        if self.trouble or self._is_broken or ((self._backlog or self.notes) and is_due) or self._backlog.has_group:
            self.fill()
        if self._is_broken or self._is_closing:
            return
        if not self._stills:
            with self._spared("rollups and deletions wait"):
                if self._upkeep.step(self._database.writer(), self.ledger.spans):
                    self._checkpoints.hasten()
                self._checkpoints.protect_log()
        self.checkpoint()

    def _fill_group(self, count: int) -> None:
        group = self._backlog.first(count)
        self._tables.append(self._database.writer(), group, group[-1].sample_id)
        self._backlog.forget(group[-1].sample_id)

    @contextmanager
    def _spared(self, what: str) -> Generator[None, None, None]:
        """Log what follows from an error: samples can be stored nevertheless, and the next time it is tried again."""
        trouble = self.trouble
        try:
            yield
        except Exception as error:
            self._roll_back(error)
            self.trouble = trouble
            log.exception(what)

    def _checkpoint(self) -> bool:
        try:
            self._checkpoints.write()
        except (duckdb.Error, StoreUnavailableError) as error:
            self._roll_back(error)
            log.warning("the store could not be checkpointed: %s", first_line(error))
            return False
        return True

    def _renew(self) -> None:
        try:
            if self._checkpoints.renew():
                self._upkeep.forget()
        except (duckdb.Error, StoreUnavailableError) as error:
            self._is_broken = True  # and is opened as soon as that is possible
            log.warning("the store could not be opened anew: %s", first_line(error))

    def _roll_back(self, error: BaseException) -> None:
        """Leave the transaction that failed; when that fails too the file must be opened anew."""
        if not isinstance(error, (*POISON, ProxmonError)) or isinstance(error, StoreUnavailableError):
            self.trouble = unavailable(error)
            if threading.current_thread() is not self._thread:
                self._called.set()  # that thread tries again
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
            self._checkpoints.open_anew()
            self._catch_up()
        except (duckdb.Error, StoreUnavailableError) as error:
            log.warning("the store cannot be opened again yet: %s", first_line(error))
            return
        self._is_broken, self.trouble = False, None
        log.warning("the store was opened again after a fatal error")

    def _catch_up(self) -> None:
        """Learn what was committed although its commit ended in an error."""
        connection = self._database.writer()
        self._upkeep.forget()
        self.ledger.host_ids = Ledger.load(connection).host_ids
        self._backlog.forget(read_progress(connection))
