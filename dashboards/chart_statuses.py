"""The statuses behind a host's charts: what it was when their span begins, and each change in it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboards.charts import read_span
from dashboards.components import Message
from dashboards.event_rows import event_row
from proxmon.events import STATUS_KINDS, Event, EventRequest

log = logging.getLogger(__name__)

# More marks than these lie on one another.
MOST_CHANGES = 200
MOMENT = timedelta(microseconds=1)

ReadEvents = Callable[[EventRequest], Awaitable[list[Event]]]


@dataclass(frozen=True, slots=True)
class ChartStatuses:
    """Reads the statuses of a host; ``at`` is the past moment that the page shows, if any."""

    read: ReadEvents
    host: str
    at: datetime | None

    async def answer(self, wish: Message, now: datetime) -> Message:
        """Return the status at the beginning of the span and the changes in it; none where they cannot be read."""
        head: Message = {"to": "charts", "kind": "statuses", "id": wish.get("id")}
        try:
            return head | await self._read(*read_span(wish, now))
        except Exception:  # charts can be read without statuses
            log.exception("The statuses of a host could not be read")
            return head | {"first": None, "changes": []}

    async def _read(self, since: datetime, until: datetime) -> Message:
        changes = await self._list(since=since, until=until + MOMENT, limit=MOST_CHANGES)
        before = await self._list(until=since, limit=1) if len(changes) < MOST_CHANGES else []
        first = before[0].became if before else None
        return {"first": first, "changes": [status_change(event_row(event)) for event in reversed(changes)]}

    async def _list(self, **asked: Any) -> list[Event]:
        return await self.read(EventRequest(host=self.host, kinds=STATUS_KINDS, known_at=self.at, **asked))


def status_change(row: Message) -> Message:
    """Return an event's row as the charts draw it."""
    words = ". ".join(part for part in (row["title"], row["words"]) if part)
    return {"at": row["at"], "status": row["mark"], "words": words, "shown_at": row["shown_at"]}


def told_changes(messages: Iterator[Message]) -> Iterator[Message]:
    """Pass the timeline's messages on, and tell the charts of the changes of status among them."""
    for message in messages:
        yield message
        changes = [status_change(row) for row in message.get("new", ()) if row["group"] == "statuses"]
        if changes:
            yield {"to": "charts", "changes": changes}
