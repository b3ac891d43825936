"""The list of events of a page: answers what the browser asks for, and tells what is new."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dashboards.components import Message, Part
from dashboards.event_rows import event_row
from proxmon.context import Monitor
from proxmon.errors import ProxmonError
from proxmon.events import KIND_GROUPS, EventKind, EventRequest
from proxmon.recorder import RECENT_EVENTS
from proxmon.samples import parse_time

log = logging.getLogger(__name__)

# On a host's page other sections follow.
HOST_PAGE, FLEET_PAGE = 12, 50
GROUPS = {
    "statuses": "Status",
    "findings": "Findings",
    "scrubs": "Scrubs",
    "guests": "Guests",
    "hosts": "Hosts and agents",
}


@dataclass(slots=True)
class Timeline:
    """The events of one open page, of a host or of the fleet; ``at`` is the past moment that it shows, if any."""

    monitor: Monitor
    host: str = ""
    at: datetime | None = None
    _told: int = 0

    @property
    def page(self) -> int:
        """Return how many events are asked for at once."""
        return HOST_PAGE if self.host else FLEET_PAGE

    def part(self, **state: object) -> Message:
        """Return the part that draws the events; what comes from now on is told by ``follow``."""
        self._told = self.monitor.recorder.count
        shown: Message = {"groups": GROUPS, "host": self.host, "is_fleet": not self.host, **state}
        return {"timeline": Part("timeline", "timeline.js", shown)}

    async def answer(self, wish: Message) -> Message:
        """Return the events that the browser asks for, the newest first, or in words why there are none."""
        head: Message = {"to": "timeline", "id": wish.get("id")}
        try:
            events = await self.monitor.events(self.read_request(wish))
        except ProxmonError as error:
            return head | {"failed": str(error)}
        except Exception:  # the list must not be left waiting
            log.exception("The events could not be read")
            return head | {"failed": "The events could not be read; the server's log says why."}
        # Whoever asks on from the oldest moment misses none, and there is nothing before a page that is not full.
        until = events[-1].happened_at.isoformat() if len(events) >= self.page else None
        return head | {"rows": [event_row(event) for event in events], "until": until}

    def read_request(self, wish: Message) -> EventRequest:
        """Return what to ask the store.

        Raises:
            ValueError, TypeError: the browser's message has not the form that our module sends.
        """
        group, until = str(wish.get("group")), wish.get("until")
        return EventRequest(
            host=self.host or str(wish.get("host") or "")[:63] or None,
            kinds=KIND_GROUPS.get(group, frozenset[EventKind]()),
            until=parse_time(until) if until else None,
            known_at=self.at,
            limit=self.page,
        )

    def follow(self) -> Iterator[Message]:
        """Give the events that are new, in one message; a past page has none."""
        recorder, told = self.monitor.recorder, self._told
        if self.at is not None or recorder.count == told:
            return
        self._told = recorder.count
        if recorder.count - told > RECENT_EVENTS:
            yield {"to": "timeline", "stale": True}
            return
        rows = [event_row(event) for event in recorder.list_recent(told) if self.host in ("", event.host)]
        if rows:
            yield {"to": "timeline", "new": rows}
