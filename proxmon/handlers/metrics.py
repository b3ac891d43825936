"""``/metrics``: the fleet and the server for Prometheus, with an API token."""

from __future__ import annotations

import asyncio

from proxmon.handlers.base import ApiHandler
from proxmon.metrics import CONTENT_TYPE, metrics_text
from proxmon.tokens import Role


class MetricsHandler(ApiHandler):
    """Answers in Prometheus' text form."""

    async def prepare(self) -> None:
        """Let readers and administrators pass."""
        await self.authorize(Role.READER)

    async def get(self) -> None:
        """Answer all metrics."""
        counts = self.monitor.alerts.counts()
        text = await asyncio.to_thread(metrics_text, self.monitor.board, self.monitor.ingest, counts)
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(text)
