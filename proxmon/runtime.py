"""The running monitor: made from a store and settings, ticking, and closed again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from proxmon.alerts.channels import ChannelBook, ChannelStore
from proxmon.alerts.desk import AlertDesk, AlertStore
from proxmon.alerts.dispatch import Dispatcher, TellingStore
from proxmon.alerts.heartbeat import Heartbeat
from proxmon.alerts.links import LinkSigner
from proxmon.alerts.messages import Composer
from proxmon.alerts.senders import AppriseSender
from proxmon.alerts.silences import SilenceBook, SilenceStore
from proxmon.board import Board, PastBoard
from proxmon.bus import Bus
from proxmon.config import Settings
from proxmon.context import CheckedStore, Monitor
from proxmon.control import private_key
from proxmon.costs import CostMeter, CostStore
from proxmon.events import Event, EventRequest, StepRequest
from proxmon.fleet import Fleet, FleetSnapshot, HostSnapshot
from proxmon.forecasts import DailyStore, ForecastDesk
from proxmon.history import HistoryStore
from proxmon.hosts import HostRegistry, HostStore
from proxmon.ingest import Ingest, SampleStore
from proxmon.queries import Queries, QueryStore
from proxmon.recorder import Recorder
from proxmon.rulebook.file import RulesFile
from proxmon.ruledesk import RuleDesk
from proxmon.samples import Sample
from proxmon.series import SeriesRequest
from proxmon.seriesrows import SeriesRows, Times, Values
from proxmon.sessions import Sessions, SessionStore
from proxmon.signals import ending_signals, leave
from proxmon.sparklines import SparklineRequest, Sparklines, SparklineSteps
from proxmon.tokens import TokenRegistry, TokenStore

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
# An agent that is told to stop sends what it has and says goodbye, for which it gives itself two seconds.
STOP_SECONDS = 4.0
# Events are durable some milliseconds after the sample that tells of them; a store in trouble may take longer.
RESUMED_SPAN = timedelta(minutes=1)


class KeptChannels(ChannelStore, TellingStore, Protocol):
    """Channels, and what they were told and are owed."""


class ShownMoment(Protocol):
    """Which moment of a copy is shown, and the end of what it knows."""

    @property
    def at(self) -> datetime:
        """Return the moment."""
        ...

    @property
    def until(self) -> datetime:
        """Return the end."""
        ...


class Store(
    HostStore,
    TokenStore,
    SessionStore,
    SampleStore,
    QueryStore,
    CheckedStore,
    CostStore,
    HistoryStore,
    DailyStore,
    Protocol,
):
    """What the monitor needs of the store; every method may block."""

    @property
    def alerts(self) -> AlertStore:
        """Return what is stored of alerts."""
        ...

    @property
    def silences(self) -> SilenceStore:
        """Return what is stored of silences."""
        ...

    @property
    def channels(self) -> KeptChannels:
        """Return what is stored of channels."""
        ...

    @property
    def directory(self) -> Path:
        """Return where files beside the store belong."""
        ...

    @property
    def shown(self) -> ShownMoment | None:
        """Return what a copy shows; None for a store that is written."""
        ...

    def snapshot(self, at: datetime | None = None, *, as_collected: bool = False) -> FleetSnapshot:
        """Return the fleet as it was known at a moment, as it was then, or as it was stored last."""
        ...

    def append_events(self, events: Sequence[Event]) -> object:
        """Store events with the next commit."""
        ...

    def list_events(self, request: EventRequest) -> list[Event]:
        """List the events that are asked for."""
        ...

    def find_step(self, request: StepRequest) -> datetime | None:
        """Return the next moment in a direction at which an event was recorded, or None."""
        ...

    def list_recorded_since(self, at: datetime) -> list[Event]:
        """List the derived events that were recorded after a moment."""
        ...

    def list_received_since(self, at: datetime) -> list[Sample]:
        """List the samples that were received after a moment."""
        ...

    def series(self, request: SeriesRequest) -> SeriesRows:
        """Return a series of a host's past."""
        ...

    def sparklines(self, request: SparklineRequest) -> Sequence[SparklineSteps]:
        """Return load and memory of all hosts in half hours."""
        ...

    def parquet(self, at: Times, values: Mapping[str, Values]) -> bytes:
        """Return moments and columns over them as the bytes of a Parquet file."""
        ...

    def back_up(self) -> Path:
        """Copy everything into a new directory inside the data directory."""
        ...

    def close(self) -> None:
        """Make everything durable and let go of the files."""


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def make_monitor(store: Store, settings: Settings, clock: Callable[[], datetime] = utc_now) -> Monitor:
    """Join the parts of the monitor around an open store; the time of a copy stands still at the end of it."""
    shown = store.shown
    if shown is not None:
        clock = _stopped_at(shown.until)
    bus, hosts = Bus(), store.snapshot().hosts
    rules_file = RulesFile(settings, is_kept=shown is None)
    recorder = Recorder(store, rules_file.loaded.book, clock)
    resume(recorder, store, hosts)
    board = Board(Fleet(hosts), rules_file.loaded.book, bus, clock, recorder)
    alerts = AlertDesk(store.alerts, board, clock, is_copy=shown is not None)

    async def past(at: datetime, *, as_collected: bool = False) -> PastBoard:
        snapshot = await asyncio.to_thread(store.snapshot, at, as_collected=as_collected)
        return await asyncio.to_thread(PastBoard, snapshot, board.rules)

    async def back_up() -> Path:
        return await asyncio.to_thread(store.back_up)

    async def events(request: EventRequest) -> list[Event]:
        return await asyncio.to_thread(store.list_events, request)

    async def step(request: StepRequest) -> datetime | None:
        return await asyncio.to_thread(store.find_step, request)

    async def read_sparklines(request: SparklineRequest) -> Sequence[SparklineSteps]:
        return await asyncio.to_thread(store.sparklines, request)

    async def series(request: SeriesRequest) -> SeriesRows:
        return await asyncio.to_thread(store.series, request)

    silences = SilenceBook(store.silences, bus, clock)
    links, sender = LinkSigner(private_key(store.directory / "links.key")), AppriseSender()
    channels = ChannelBook(store.channels, sender.name_service, clock)
    composer = Composer(settings.public_url.rstrip("/"), lambda alert_id: links.sign(alert_id, clock()))

    return Monitor(
        settings=settings,
        store=store,
        board=board,
        bus=bus,
        hosts=HostRegistry(store, board, clock, recorder.tell),
        alerts=alerts,
        rules=RuleDesk(rules_file, board, alerts, store, settings.rules),
        silences=silences,
        links=links,
        channels=channels,
        dispatcher=Dispatcher(
            store.channels, channels, alerts, silences, composer=composer, sender=sender, clock=clock
        ),
        heartbeat=Heartbeat(settings.heartbeat_url, store.check, clock),
        forecasts=ForecastDesk(store, board),
        tokens=TokenRegistry(store, clock),
        sessions=Sessions(store, clock, settings.session_days),
        ingest=Ingest(store, board, clock, settings.max_body_bytes),
        queries=Queries(store, settings.query_seconds),
        clock=clock,
        moment=shown.at if shown else None,
        past=past,
        back_up=back_up,
        recorder=recorder,
        costs=CostMeter(store),
        events=events,
        step=step,
        series=series,
        sparklines=Sparklines(read_sparklines),
        read_sparklines=read_sparklines,
        parquet=store.parquet,
    )


def _stopped_at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def resume(recorder: Recorder, store: Store, hosts: Sequence[HostSnapshot]) -> None:
    """Let the recorder take up where the last run ended, which may have been a crash."""
    newest = max((host.last_seen_at for host in hosts if host.last_seen_at), default=None)
    if newest is None:
        return
    since = newest - RESUMED_SPAN
    before = {host.host.id: host for host in store.snapshot(since).hosts}
    samples, events = defaultdict[int, list[Sample]](list), defaultdict[int, list[Event]](list)
    for sample in store.list_received_since(since):
        samples[sample.host_id].append(sample)
    for event in store.list_recorded_since(since):
        events[event.host_id].append(event)
    for host in hosts:
        host_id = host.host.id
        recorder.resume(host, samples[host_id], events[host_id], before.get(host_id, HostSnapshot(host.host)))


async def run_until_told(*works: Coroutine[None, None, None]) -> None:
    """Run until SIGINT, SIGTERM or SIGHUP, then end the works, which have some seconds to clean up after themselves."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    terminals = [output for output in (1, 2) if os.isatty(output)]

    def hang_up() -> None:
        leave(terminals)
        told.set()

    for number in ending_signals():
        loop.add_signal_handler(number, hang_up if number == signal.SIGHUP else told.set)
    tasks = [asyncio.create_task(_log_failure(work)) for work in works]
    await told.wait()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=STOP_SECONDS)


async def _log_failure(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except Exception:  # the server goes on without its companion
        log.exception("What ran beside the server failed")


async def keep_ticking(monitor: Monitor, seconds: float = TICK_SECONDS) -> None:
    """Let time pass on the board until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        try:
            monitor.recorder.tick(monitor.clock())
            monitor.rules.tick()
            monitor.board.tick()
            monitor.costs.tick()
            monitor.alerts.tick()
            if monitor.moment is None:  # a copy tells nobody
                monitor.dispatcher.tick()
                monitor.heartbeat.tick()
                monitor.forecasts.tick()
            await monitor.sessions.expire()
        except Exception:  # the lights must go on ageing whatever one host's data does
            log.exception("A tick failed")
