"""``/api/openapi.json``: the description of all routes, for programs that make clients or tests of it."""

from __future__ import annotations

from proxmon.handlers.base import ApiHandler
from proxmon.openapi import describe


class DescriptionHandler(ApiHandler):
    """Answers to anybody: it says nothing that docs/api.md does not."""

    async def get(self) -> None:
        """Answer the description."""
        self.answer(describe(self.monitor.settings.root))
