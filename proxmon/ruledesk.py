"""The owner's rules, live: a file that changed counts at once, for the lights and for alerts that are open."""

from __future__ import annotations

import asyncio

from proxmon.alerts.desk import AlertDesk
from proxmon.board import Board
from proxmon.rulebook.file import Loaded, RulesFile

CHANGED = "The rules were changed."


class RuleDesk:
    """The rules that hold. It belongs to the event loop's thread."""

    def __init__(self, file: RulesFile, board: Board, alerts: AlertDesk) -> None:
        self._file, self._board, self._alerts = file, board, alerts

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

    async def save(self, text: str) -> None:
        """Replace the file, and judge by it from now on. Raises RulesError, and nothing changes."""
        await asyncio.to_thread(self._file.write, text)
        self.tick()
