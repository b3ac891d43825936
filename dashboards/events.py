"""The page of events: what happened in the fleet, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from dashboards.components import Message
from dashboards.live import Page, argument
from dashboards.timeline import Timeline
from proxmon.bus import Changes


class EventsPage(Page):
    """The fleet's events; the browser asks for older ones and is told of new ones."""

    template_name: ClassVar[str] = "events.html"
    nav: ClassVar[str] = "/events"

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._timeline = Timeline(self.monitor, at=self.at)

    @property
    def title(self) -> str:
        """Return the page's name."""
        return "Events"

    def context(self) -> dict[str, object]:
        """Return the filters; the events are asked for by the browser."""
        hosts = [judged.name for judged in self.monitor.board.list_hosts()]
        return self._timeline.part(hosts=hosts, chosen={"host": argument("host"), "group": argument("kind")})

    def refresh(self, changes: Changes | None) -> Iterator[Message]:
        """Give the events that are new."""
        yield from self._timeline.follow()

    async def load(self, at: datetime) -> None:
        """Load nothing: the events of a past moment are asked for by the browser as well."""

    async def receive(self, message: Message) -> None:
        """Answer with the events that the browser asks for."""
        self._answer(await self._timeline.answer(message))
