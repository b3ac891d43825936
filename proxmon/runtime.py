"""The running monitor: made from a store and settings, ticking, and closed again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from proxmon.alerts.desk import AlertDesk, AlertStore
from proxmon.alerts.links import LinkSigner
from proxmon.alerts.silences import SilenceBook, SilenceStore
from proxmon.board import Board, PastBoard
from proxmon.bus import Bus
from proxmon.config import Settings
from proxmon.context import CheckedStore, Monitor
from proxmon.control import private_key
from proxmon.fleet import Fleet, FleetSnapshot
from proxmon.hosts import HostRegistry, HostStore
from proxmon.ingest import Ingest, SampleStore
from proxmon.queries import Queries, QueryStore
from proxmon.series import SeriesRequest
from proxmon.sessions import Sessions, SessionStore
from proxmon.tokens import TokenRegistry, TokenStore

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0


class Store(HostStore, TokenStore, SessionStore, SampleStore, QueryStore, CheckedStore, Protocol):
    """What the monitor needs of the store; every method may block."""

    @property
    def alerts(self) -> AlertStore:
        """Return what is stored of alerts."""
        ...

    @property
    def silences(self) -> SilenceStore:
        """Return what is stored of silences."""
        ...

    def snapshot(self, at: datetime | None = None) -> FleetSnapshot:
        """Return the fleet at a moment, or as it was stored last."""
        ...

    def series(self, request: SeriesRequest) -> Any:
        """Return a series as a DataFrame."""
        ...

    def close(self) -> None:
        """Make everything durable and let go of the files."""


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def make_monitor(store: Store, settings: Settings, clock: Callable[[], datetime] = utc_now) -> Monitor:
    """Join the parts of the monitor around an open store."""
    bus = Bus()
    board = Board(Fleet(store.snapshot().hosts), settings.rules, bus, clock)

    async def past(at: datetime) -> PastBoard:
        snapshot = await asyncio.to_thread(store.snapshot, at)
        return await asyncio.to_thread(PastBoard, snapshot, settings.rules)

    async def series(request: SeriesRequest) -> Any:
        return await asyncio.to_thread(store.series, request)

    return Monitor(
        settings=settings,
        store=store,
        board=board,
        bus=bus,
        hosts=HostRegistry(store, board, clock),
        alerts=AlertDesk(store.alerts, board, clock),
        silences=SilenceBook(store.silences, bus, clock),
        links=LinkSigner(private_key(settings.data_directory / "links.key")),
        tokens=TokenRegistry(store, clock),
        sessions=Sessions(store, clock, settings.session_days),
        ingest=Ingest(store, board, clock, settings.max_body_bytes),
        queries=Queries(store, settings.query_seconds),
        clock=clock,
        past=past,
        series=series,
    )


async def keep_ticking(monitor: Monitor, seconds: float = TICK_SECONDS) -> None:
    """Let time pass on the board until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        try:
            monitor.board.tick()
            monitor.alerts.tick()
            await monitor.sessions.expire()
        except Exception:  # the lights must go on ageing whatever one host's data does
            log.exception("A tick failed")
