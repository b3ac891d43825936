"""Builders of what pages are given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from dashboards.newest import Newest
from proxmon.alerts.desk import AlertDesk
from proxmon.alerts.silences import SilenceBook
from proxmon.board import Board, JudgedHost, PastBoard
from proxmon.bus import Bus
from proxmon.config import RuleSettings, Settings
from proxmon.costs import Compaction, CostMeter, FileSize, Latency, StoreReport, TableSize
from proxmon.events import Event, EventRequest, StepRequest
from proxmon.fleet import Fleet, FleetSnapshot, HostSnapshot
from proxmon.history import HistoryStore
from proxmon.recorder import Recorder
from proxmon.rulebook.book import RuleBook
from proxmon.rulebook.file import RulesFile
from proxmon.ruledesk import RuleDesk
from proxmon.series import METRICS, SeriesRequest
from proxmon.seriesrows import SeriesRows, Values
from proxmon.sparklines import SparklineRequest, Sparklines, SparklineSteps, step_of
from proxmon.status import evaluate
from storage.parquet import write_parquet
from tests.builders import NOW, a_snapshot
from tests.proxmon.test_silences import SilenceMemory
from tests.worlds import Memory

RULES = RuleBook(RuleSettings())


def a_judged(snapshot: HostSnapshot | None = None, now: datetime = NOW) -> JudgedHost:
    """Return a host with our verdict on it; by default a healthy one."""
    known = snapshot if snapshot is not None else a_snapshot()
    return JudgedHost(known, evaluate(known, RULES, now))


def a_newest(snapshot: HostSnapshot | None = None, now: datetime = NOW) -> Newest:
    """Return a host at a moment."""
    return Newest(a_judged(snapshot, now), RULES, now)


REPORT = StoreReport(
    tables=(
        TableSize("host_samples", 1000, 2**20, NOW - timedelta(days=4), "PROXMON_KEEP_ROWS_DAYS", 14),
        TableSize("events", 3, 2**18),
    ),
    file=FileSize(2**30, 2**28, 2**22, 2**21),
    pending_samples=7,
    seconds_to_retention=600,
    is_compacting=False,
    last_compaction=None,
)


class StoreMemory:
    """A store that was measured."""

    def report(self) -> StoreReport:
        """Return what it holds."""
        return REPORT

    def compact(self) -> Compaction:
        """Halve it."""
        return Compaction(2**30, 2**29, 12.0)


class EventMemory:
    """Keeps events in a list."""

    def __init__(self) -> None:
        self.stored: list[Event] = []

    def append_events(self, events: Sequence[Event]) -> None:
        """Keep the events."""
        self.stored += events


def a_monitor(*hosts: HostSnapshot, now: datetime = NOW) -> Any:
    """Return the parts of a running monitor that pages use."""
    bus = Bus()
    board = Board(Fleet(hosts), RULES, bus, lambda: now)

    async def past(at: datetime) -> PastBoard:
        return PastBoard(FleetSnapshot(at=at, is_live=False, hosts=tuple(hosts)), RULES)

    async def series(request: SeriesRequest) -> SeriesRows:
        return a_series(request)

    async def events(request: EventRequest) -> list[Event]:
        return []

    async def step(request: StepRequest) -> datetime | None:
        return None

    async def read_sparklines(request: SparklineRequest) -> list[SparklineSteps]:
        return [SparklineSteps(1, [step_of(request.until)], [0.5], [25.0])]

    desk = AlertDesk(Memory(), board, lambda: now)
    return SimpleNamespace(
        settings=Settings(),
        alerts=desk,
        rules=RuleDesk(RulesFile(Settings(data="/nowhere")), board, desk, cast("HistoryStore", None)),
        silences=SilenceBook(SilenceMemory(), bus, lambda: now),
        channels=SimpleNamespace(list_channels=lambda: []),
        board=board,
        bus=bus,
        clock=lambda: now,
        moment=None,
        past=past,
        hosts=None,
        costs=CostMeter(StoreMemory()),
        ingest=SimpleNamespace(latency=Latency()),
        series=series,
        recorder=Recorder(EventMemory(), RULES, lambda: now),
        events=events,
        step=step,
        sparklines=Sparklines(read_sparklines),
        read_sparklines=read_sparklines,
        parquet=write_parquet,
    )


def a_series(request: SeriesRequest, *subjects: str, steps: int = 3, **means: list[float]) -> SeriesRows:
    """Return a series as the store answers it: every metric 1, or what is named, a step a minute up to the end."""
    subjects = subjects or ("",)
    at = [request.until - timedelta(minutes=steps - step) for step in range(steps)]
    values: dict[str, Values] = {}
    for metric in METRICS[request.kind]:
        mean = np.array(means.get(metric, [1.0] * steps * len(subjects)))
        values |= {f"{metric}_mean": mean, f"{metric}_min": mean / 2, f"{metric}_max": mean * 2}
    moments = np.array([moment.replace(tzinfo=None) for moment in at], dtype="datetime64[us]").repeat(len(subjects))
    return SeriesRows(moments, np.array(list(subjects) * steps, dtype=np.object_), values, 60.0)
