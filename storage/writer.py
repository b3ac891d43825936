"""The one thread that takes in what is queued: samples into the journal in groups, other writes in their order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.costs import Compaction, StoreReport
from proxmon.errors import ProxmonError, SampleError, StoreUnavailableError
from proxmon.events import Event
from proxmon.samples import Appended, Sample
from storage.backup import make_backup
from storage.compaction import Compactor
from storage.database import Database, first_line, unavailable
from storage.directory import DataDirectory
from storage.filler import Filler
from storage.inbox import Append, Inbox, Task
from storage.intake import Key, Prepared, admit, find_stored, prepare
from storage.ledger import Ledger
from storage.sizes import read_file_size, read_sizes
from storage.upkeep import Upkeep

log = logging.getLogger(__name__)
T = TypeVar("T")
Group = Sequence[tuple[Append, list[Prepared]]]

MAX_GROUP_SAMPLES = 500  # of one write to the journal
# How long what was seen of the disk holds; whoever asks later has it tried with a write of one block.
PROBE_INTERVAL_SECONDS = 5.0


class Writer:
    """Owns all writes of one open store."""

    def __init__(self, database: Database, directory: DataDirectory, inbox: Inbox, upkeep: Upkeep) -> None:
        self._database, self._directory, self._inbox, self._upkeep = database, directory, inbox, upkeep
        self._filler = Filler(database, directory, upkeep)
        self.compactor = Compactor(database, directory, self._filler, upkeep.compact_above_percent)
        self._trouble: StoreUnavailableError | None = None
        self._tried_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def ledger(self) -> Ledger:
        """Return what is known of the store without asking it."""
        return self._filler.ledger

    @property
    def has_pending(self) -> bool:
        """Tell whether samples were acknowledged that the tables do not have yet."""
        return bool(self._filler.pending_keys)

    def append(self, item: Append) -> None:
        """Queue samples, which are durable when the item has ended. Raises OverloadedError when too many wait."""
        self._inbox.put(item)

    def remember(self, events: Sequence[Event]) -> Future[None]:
        """Queue events; the future ends when they are durable."""
        return self._filler.notes.add(events)

    def run(self, task: Callable[[DuckDBPyConnection], T], then: Callable[[T], None] | None = None) -> T:
        """Run a write in a transaction of its own, after what was queued before it, and wait for its result.

        ``then`` runs after its commit and before the next write, in the writer's thread.
        """
        item = Task(task, then or (lambda _: None))
        self._inbox.put(item)
        return item.future.result()

    def settle(self) -> None:
        """Wait until the tables have every sample that was acknowledged before. Raises StoreUnavailableError."""
        self._filler.settle()

    def keep_up(self, at: datetime) -> None:
        """Do at once what is done in between otherwise: rollups, and the deletion of what is too old."""
        work = partial(self._upkeep.run, spans=self.ledger.spans, at=at)
        item = Task(work, lambda _: None, has_transactions=True)
        self._inbox.put(item)
        item.future.result()

    def report(self) -> StoreReport:
        """Return what the store holds; it takes up to a second in a large one."""
        with self._database.reader() as cursor:
            tables = tuple(read_sizes(cursor, self._upkeep.settings))
            file = read_file_size(cursor, self._directory)
        return StoreReport(
            tables=tables,
            file=file,
            pending_samples=len(self._filler.pending_keys),
            seconds_to_retention=self._upkeep.seconds_to_retention,
            is_compacting=self.compactor.is_running,
            last_compaction=self.compactor.last,
        )

    def compact(self) -> Compaction:
        """Give the room of deleted rows back to the disk."""
        return self.compactor.compact()

    def back_up(self) -> Path:
        """Copy the store beside itself; returns where."""
        return make_backup(self._directory, self._filler)

    def check(self) -> None:
        """Raise StoreUnavailableError when samples cannot be stored now."""
        if not (self._thread.is_alive() and self._filler.is_alive):
            raise StoreUnavailableError("The store's writer has ended: restart the server.")
        self._probe()
        trouble = self._trouble or self._filler.trouble
        if trouble is not None:
            raise trouble
        self._directory.check()

    def close(self) -> None:
        """Write what was queued, checkpoint, and end the threads."""
        self.compactor.close()
        self._inbox.close()
        self._thread.join()
        self._filler.close()

    def _run(self) -> None:
        while self._inbox.wait() or not self._inbox.is_closed:
            try:
                self._work(self._inbox.take())
            except Exception:
                # A writer that ends would leave every sender waiting for ever.
                log.exception("the writer's turn failed")

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
                self._filler.run(item)
        self._store(group)

    def _store(self, group: Sequence[Append]) -> None:
        prepared = [(append, ready) for append in group if (ready := self._prepare(append)) is not None]
        if not prepared:
            return
        try:
            self._filler.admit()
            appended = self._journal(prepared)
        except Exception as error:
            if not isinstance(error, (duckdb.Error, OSError, StoreUnavailableError)):
                log.exception("samples could not be stored")
            self._note_try(trouble := unavailable(error))
            for append, _ in prepared:
                _tell(append, trouble)
            return
        self._note_try(None)
        for (append, _), result in zip(prepared, appended, strict=True):
            _tell(append, result)

    def _probe(self) -> None:
        """See whether the disk takes something, unless that is known: samples may have stopped coming."""
        if time.monotonic() < self._tried_at + PROBE_INTERVAL_SECONDS:
            return
        try:
            self._filler.probe()
        except OSError as error:
            self._note_try(unavailable(error))
        else:
            self._note_try(None)

    def _note_try(self, trouble: StoreUnavailableError | None) -> None:
        self._trouble, self._tried_at = trouble, time.monotonic()

    def _prepare(self, append: Append) -> list[Prepared] | None:
        try:
            append.check()
            return prepare(append.samples, self.ledger)
        except ProxmonError as error:
            _tell(append, error)
        except Exception as error:
            # One sample that breaks our own code must not fail those that wait beside it.
            log.exception("a sample could not be prepared")
            _tell(append, SampleError(f"Correct the sample: {first_line(error)}."))
        return None

    def _journal(self, prepared: Group) -> list[Appended]:
        everything = [sample for _, ready in prepared for sample in ready]
        stored = admit(self.ledger, everything, self._filler.pending_keys, self._find)
        fresh = [entry for entry in stored if entry]
        if fresh:
            self._filler.add(fresh)
            self.ledger.add(entry.sample for entry in fresh)
        position, appended = 0, list[Appended]()
        for _, ready in prepared:
            is_new = tuple(entry is not None for entry in stored[position : position + len(ready)])
            position += len(ready)
            appended.append(Appended(sum(is_new), len(is_new) - sum(is_new), is_new))
        return appended

    def _find(self, samples: Sequence[Sample]) -> set[Key]:
        with self._database.reader() as cursor:
            return find_stored(cursor, samples)


def _tell(append: Append, outcome: Appended | Exception) -> None:
    try:
        append.ended(outcome)
    except Exception:  # one listener that fails must not keep the others waiting
        log.exception("a sender could not be told what became of its samples")
