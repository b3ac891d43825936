"""The owner's rules, live: a file that changed counts at once, for the lights and for alerts that are open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from proxmon.alerts.comparison import compare
from proxmon.alerts.desk import AlertDesk
from proxmon.alerts.rehearsal import rehearse
from proxmon.board import Board
from proxmon.config import RuleSettings
from proxmon.errors import ConflictError, SampleError
from proxmon.fleet import HostSnapshot
from proxmon.history import HistoryRequest, HistoryStore
from proxmon.rulebook.book import RuleBook
from proxmon.rulebook.file import Loaded, RulesFile
from proxmon.rulebook.reading import read_rules

CHANGED = "The rules were changed."
MOST_DAYS = 90
# A rehearsal takes at most this long, and lets the server go on meanwhile.
MOST_SECONDS, PAUSE_EVERY, PAUSE_SECONDS = 60.0, 50, 0.002


class RuleDesk:
    """The rules that hold. It belongs to the event loop's thread."""

    def __init__(
        self,
        file: RulesFile,
        board: Board,
        alerts: AlertDesk,
        store: HistoryStore,
        settings: RuleSettings | None = None,
    ) -> None:
        self._file, self._board, self._alerts, self._store = file, board, alerts, store
        self._settings = settings or RuleSettings()
        self._is_rehearsing = False

    @property
    def loaded(self) -> Loaded:
        """Return the rules that hold, and what is wrong with the file if they are not its own."""
        return self._file.loaded

    def tick(self) -> None:
        """Take in the file when somebody changed it."""
        changed = self._file.poll()
        if changed is not None and changed.book is not self._board.rules:
            self._board.set_rules(changed.book)
            self._alerts.reconsider(CHANGED)

    def read(self, text: str) -> RuleBook:
        """Return the book of a text. Raises RulesError."""
        return RuleBook(self._settings, read_rules(text, self._settings))

    async def rehearse(self, text: str, days: float) -> dict[str, Any]:
        """Return what the rules of a text would have done in the last days, beside what the present ones do.

        Raises:
            RulesError: the text cannot be used. ConflictError: another rehearsal runs.
        """
        edited = self.read(text)
        if not 0 < days <= MOST_DAYS:
            raise SampleError(f"Choose from 1 to {MOST_DAYS} days.")
        if self._is_rehearsing:
            raise ConflictError("Wait until the rehearsal that runs has ended.")
        self._is_rehearsing = True
        until = self._board.clock()
        hosts, books = self._board.fleet.list_hosts(), (self._board.rules, edited)
        try:
            return await asyncio.to_thread(play, self._store, hosts, books, (until - timedelta(days=days), until))
        finally:
            self._is_rehearsing = False

    async def save(self, text: str) -> None:
        """Replace the file, and judge by it from now on. Raises RulesError, and nothing changes."""
        await asyncio.to_thread(self._file.write, text)
        self.tick()


def play(
    store: HistoryStore,
    hosts: Iterable[HostSnapshot],
    books: tuple[RuleBook, RuleBook],
    span: tuple[datetime, datetime],
    is_late: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Rehearse on a store's samples; blocks, for a minute at most, in a thread that often gives way."""
    with store.history(HistoryRequest(*span)) as history:
        return compare(rehearse(history, hosts, books, span, is_late or _patience()))


def _patience() -> Callable[[], bool]:
    ends_at, calls = time.monotonic() + MOST_SECONDS, 0

    def is_late() -> bool:
        nonlocal calls
        calls += 1
        if calls % PAUSE_EVERY == 0:
            time.sleep(PAUSE_SECONDS)
        return time.monotonic() > ends_at

    return is_late
