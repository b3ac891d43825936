"""Events that wait for the next commit, and stay until they are durable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from duckdb import DuckDBPyConnection

from proxmon.events import Event
from storage.events import insert_events
from storage.rollups import transaction

log = logging.getLogger(__name__)

MOST_WAITING = 10_000  # of a store that cannot be written for long, while hosts go on changing


@dataclass(frozen=True, slots=True)
class Note:
    """Events that were derived together."""

    events: Sequence[Event]
    future: Future[None] = field(default_factory=Future[None])


class Notes:
    """Taken in from any thread, written by the one that holds the store's connection."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: list[Note] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, events: Sequence[Event]) -> Future[None]:
        """Keep events until they are durable; the future ends then."""
        note = Note(events)
        if len(self._waiting) >= MOST_WAITING:
            log.error("an event was dropped: the store cannot be written")
        else:
            self._waiting.append(note)
        self._wake()
        return note.future

    def write(self, connection: DuckDBPyConnection) -> None:
        """Make what waits durable."""
        notes = list(self._waiting)
        if not notes:
            return
        with transaction(connection):
            insert_events(connection, [event for note in notes for event in note.events])
        del self._waiting[: len(notes)]
        for note in notes:
            note.future.set_result(None)
