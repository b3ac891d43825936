"""Steps through time: to the moment of the event before or after the one that a page shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboards.components import Message
from dashboards.event_rows import whole_second
from proxmon.errors import ProxmonError
from proxmon.events import StepRequest

SECOND = timedelta(seconds=1)

FindStep = Callable[[StepRequest], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True)
class Steps:
    """Where a page's steps lead: among the events of a host, or of the fleet; ``at`` is None on a live page."""

    find: FindStep
    host: str | None
    at: datetime | None

    async def answer(self, wish: Message, now: datetime) -> Message:
        """Return the moment to show, or none where the step leads to the present or nowhere."""
        is_forward = wish.get("step") == "next"
        try:
            found = await self.find(self.request(now, is_forward=is_forward))
        except ProxmonError as error:
            return {"to": "travel", "fault": str(error)}
        moment = whole_second(found) if found else None
        if moment is not None and moment <= now:
            return {"to": "travel", "at": moment.timestamp()}
        return (
            {"to": "travel", "live": True} if is_forward else {"to": "travel", "fault": "Nothing was recorded before."}
        )

    def request(self, now: datetime, *, is_forward: bool) -> StepRequest:
        """Return what to ask the store: a page that shows a second shows all that was recorded up to its end."""
        if is_forward:
            return StepRequest(self.at or now, is_forward=True, host=self.host)
        before = whole_second(self.at) - SECOND if self.at else now.replace(microsecond=0)
        return StepRequest(before, is_forward=False, host=self.host)
