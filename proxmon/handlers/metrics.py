"""``/metrics``: the fleet and the server for Prometheus, with an API token."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from proxmon.costmetrics import CostCollector
from proxmon.costs import StoreReport
from proxmon.errors import StoreUnavailableError
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
        board, ingest = self.monitor.board, self.monitor.ingest
        channels = [self.monitor.dispatcher.answer(one) for one in self.monitor.channels.list_channels()]
        costs = CostCollector(await self._report(), self.monitor.costs.server(), ingest.latency)
        text = await asyncio.to_thread(metrics_text, board, ingest, counts, channels, costs)
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(text)

    async def _report(self) -> StoreReport | None:
        with suppress(StoreUnavailableError):
            return await self.monitor.costs.report()
        return None
