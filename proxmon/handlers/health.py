"""``/healthz``: whether samples can be stored, without a login."""

from __future__ import annotations

import asyncio

from proxmon.handlers.base import ApiHandler


class HealthHandler(ApiHandler):
    """Answers ok only when a sample that arrives now could be stored."""

    async def get(self) -> None:
        """Ask the store."""
        await asyncio.to_thread(self.monitor.store.check)
        self.answer({"status": "ok"})

    head = get
