"""``/api/events``: what happened to the hosts."""

from __future__ import annotations

from datetime import datetime

from proxmon.answers import happening_answer, iso
from proxmon.errors import SampleError
from proxmon.events import KIND_GROUPS, EventKind, EventRequest
from proxmon.handlers.hosts import ReaderHandler, read_moment, read_past

MOST_EVENTS = 1000
KINDS = KIND_GROUPS | {kind.value: frozenset({kind}) for kind in EventKind}


class EventsHandler(ReaderHandler):
    """``GET /api/events?host=&kind=&since=&until=&limit=``: the newest first."""

    async def get(self) -> None:
        """Answer the events."""
        request = EventRequest(
            host=self.get_query_argument("host", "") or None,
            kinds=read_kinds(self.get_query_arguments("kind")),
            since=self._moment("since"),
            until=self._moment("until"),
            known_at=self._past(),
            limit=read_limit(self.get_query_argument("limit", "100")),
        )
        events = await self.monitor.events(request)
        now = request.known_at or self.monitor.clock()
        self.answer({"at": iso(now), "events": [happening_answer(event) for event in events]})

    def _past(self) -> datetime | None:
        text = self.get_query_argument("at", "")
        return read_past(text, self.monitor.clock()) if text else None

    def _moment(self, name: str) -> datetime | None:
        text = self.get_query_argument(name, "")
        return read_moment(text, name) if text else None


def read_kinds(texts: list[str]) -> frozenset[EventKind]:
    """Return the kinds that are named, by themselves or as a group; none named is all. Raises SampleError."""
    kinds = frozenset[EventKind]()
    for word in (word for text in texts for word in text.split(",") if word):
        if word not in KINDS:
            raise SampleError(f"Send one of these as kind: {', '.join(KINDS)}.")
        kinds |= KINDS[word]
    return kinds


def read_limit(text: str) -> int:
    """Return how many events are asked for. Raises SampleError."""
    digits = text.lstrip("0")  # of thousands of digits Python makes no number
    if not text.isascii() or not text.isdigit() or not 1 <= len(digits) <= 4 or int(digits) > MOST_EVENTS:
        raise SampleError(f"Send limit as a number from 1 to {MOST_EVENTS}.")
    return int(digits)
