"""The overview: every host as a card, the worst first."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from dashboards.cards import Card, Cards, cards_of, changed_fields
from dashboards.components import Message, Part
from dashboards.live import Page, argument
from proxmon.board import Board, PastBoard
from proxmon.bus import Changes
from proxmon.errors import ProxmonError
from proxmon.sparklines import Sparklines

log = logging.getLogger(__name__)

# As many cards as are in sight of the largest screen at once.
MOST_ASKED = 300


class OverviewPage(Page):
    """All hosts with their status, filtered in the browser; changes are sent by host and field."""

    template_name: ClassVar[str] = "overview.html"

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._shown: dict[int, Card] = {}
        live, read = self.monitor.sparklines, self.monitor.read_sparklines
        self._sparklines = live if self.at is None else Sparklines(read)

    @property
    def title(self) -> str:
        """Return the page's name."""
        return "Overview"

    def context(self) -> dict[str, object]:
        """Return the cards as they are now; those of a past moment come when they are loaded."""
        if self.board is not None:
            self._shown = dict(self._cards(self.board))
        state = {
            "cards": list(self._shown.values()),
            "loading": self.board is None,
            "query": argument("q"),
            "status": argument("status"),
        }
        return {"cards": Part("cards", "host-grid.js", state)}

    def refresh(self, changes: Changes | None) -> Iterator[Message]:
        """Give one message with the fields that differ from what the browser shows."""
        board = self.board
        assert board is not None
        if changes is None or changes.is_fleet_changed:
            message = self._compare_all(board)
        else:
            message = self._compare(board, changes.host_ids)
        if message or changes is None:
            yield {"to": "cards", **message}

    async def receive(self, message: Message) -> None:
        """Answer the cards that are in sight with the sparklines of their hosts."""
        asked: list[Any] = message.get("sparklines") or []
        now, lines = self.now, self._sparklines
        try:
            await lines.refresh(now)
        except ProxmonError as error:  # cards can be read without them
            log.warning("The sparklines could not be read: %s", error)
        found = {host_id: lines.find(host_id, now) for host_id in asked[:MOST_ASKED] if isinstance(host_id, int)}
        self._answer({"to": "cards", "sparklines": [[host_id, *one] for host_id, one in found.items() if one]})

    def _cards(self, board: Board | PastBoard) -> Iterator[tuple[int, Card]]:
        cards, now = self._made(board), self.now
        for judged in board.list_hosts():
            yield judged.id, cards.get(judged, board.rules, now)

    def _made(self, board: Board | PastBoard) -> Cards:
        return cards_of(board)

    def _compare_all(self, board: Board | PastBoard) -> Message:
        current = dict(self._cards(board))
        gone = [host_id for host_id in self._shown if host_id not in current]
        for host_id in gone:
            del self._shown[host_id]
            self._made(board).forget(host_id)
        return _message(self._take(current), gone)

    def _compare(self, board: Board | PastBoard, host_ids: Iterable[int]) -> Message:
        cards, now = self._made(board), self.now
        found = ((host_id, board.find(host_id)) for host_id in host_ids)
        return _message(
            self._take({host_id: cards.get(one, board.rules, now) for host_id, one in found if one is not None}), []
        )

    def _take(self, current: dict[int, Card]) -> list[Card]:
        """Remember the cards as shown and return what differed."""
        differing = [changed_fields(self._shown.get(host_id, {}), card) for host_id, card in current.items()]
        self._shown.update(current)
        return [fields for fields in differing if fields]


def _message(put: list[Card], remove: list[int]) -> Message:
    return {name: value for name, value in (("put", put), ("remove", remove)) if value}
