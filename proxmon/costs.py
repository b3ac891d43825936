"""What the monitor itself costs: the store's size and growth, memory, CPU, bytes written, how long ingest takes."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

DAY = timedelta(days=1)
# The shortest span that a table's growth is told from.
LEAST_SPAN = timedelta(hours=1)
# To look at each table of a store takes some hundredths of a second, of a large one up to a second.
REPORT_SECONDS = 60.0
NOTE_SECONDS, NOTES = 60.0, 60  # what was used in the last hour, by the minute
RECENT_MESSAGES = 1000
_IO, _STATM = Path("/proc/self/io"), Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class FileSize:
    """The store's file, the part of it that is free, its log and the journal, in bytes."""

    file_bytes: int
    free_bytes: int
    wal_bytes: int
    journal_bytes: int


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table's rows, its bytes in the file after the last checkpoint, and the moment of its oldest row.

    ``setting`` names the setting that says how many ``days`` its rows are kept; None is without end.
    """

    name: str
    rows: int
    size_bytes: int
    oldest_at: datetime | None = None
    setting: str = ""
    days: float | None = None

    def daily_bytes(self, now: datetime) -> float | None:
        """Return what a day adds, from what there is; None where that cannot be told yet."""
        if self.oldest_at is None or now - self.oldest_at < LEAST_SPAN:
            return None
        return self.size_bytes * (DAY / (now - self.oldest_at))


@dataclass(frozen=True, slots=True)
class Compaction:
    """The file's size before and after it was compacted, and how long that took."""

    before_bytes: int
    after_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What the store holds; ``pending_samples`` are acknowledged and on their way into the tables."""

    tables: tuple[TableSize, ...]
    file: FileSize
    pending_samples: int
    seconds_to_retention: float | None
    is_compacting: bool
    last_compaction: Compaction | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the process has used since its start, at a moment of the monotonic clock."""

    at: float
    cpu_seconds: float
    written_bytes: int | None
    page_bytes: int


@dataclass(frozen=True, slots=True)
class ServerCost:
    """What the server uses: memory now, the rest as an average over ``span_seconds``, the last hour at most."""

    span_seconds: float
    memory_bytes: int
    cpu_ratio: float | None
    written_bytes_per_day: float | None
    page_bytes_per_day: float | None
    usage: Usage


class CostStore(Protocol):
    """What is asked of the store; both block."""

    def report(self) -> StoreReport:
        """Return what the store holds."""
        ...

    def compact(self) -> Compaction:
        """Give the room of deleted rows back to the disk."""
        ...


@dataclass(slots=True)
class Latency:
    """How long messages took from their arrival until they were durable."""

    count: int = 0
    sum_seconds: float = 0.0
    recent: deque[float] = field(default_factory=lambda: deque[float](maxlen=RECENT_MESSAGES))

    def add(self, seconds: float) -> None:
        """Take in a message."""
        self.count += 1
        self.sum_seconds += seconds
        self.recent.append(seconds)

    def quantile(self, share: float) -> float | None:
        """Return the time that this share of the recent messages stayed below; None without any."""
        ordered = sorted(self.recent)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


class CostMeter:
    """Measures the server and its store; it belongs to the event loop's thread, and looks at the store beside it."""

    def __init__(self, store: CostStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._is_measuring = asyncio.Lock()
        self._report: StoreReport | None = None
        self._measured_at = float("-inf")
        self.page_bytes = 0
        self._notes: deque[Usage] = deque([self._use()], maxlen=NOTES)

    def tick(self) -> None:
        """Take note once a minute of what was used."""
        if self._clock() - self._notes[-1].at >= NOTE_SECONDS:
            self._notes.append(self._use())

    def server(self) -> ServerCost:
        """Return what the server uses."""
        first, now = self._notes[0], self._use()
        span = now.at - first.at
        is_written_known = first.written_bytes is not None and now.written_bytes is not None
        written = (now.written_bytes or 0) - (first.written_bytes or 0) if is_written_known else None
        return ServerCost(
            span_seconds=span,
            memory_bytes=read_memory_bytes(),
            cpu_ratio=(now.cpu_seconds - first.cpu_seconds) / span if span else None,
            written_bytes_per_day=_daily(written, span),
            page_bytes_per_day=_daily(now.page_bytes - first.page_bytes, span),
            usage=now,
        )

    async def report(self) -> StoreReport:
        """Return what the store holds, measured a minute ago at most. Raises StoreUnavailableError."""
        async with self._is_measuring:
            if self._report is None or self._clock() - self._measured_at >= REPORT_SECONDS:
                self._report = await asyncio.to_thread(self._store.report)
                self._measured_at = self._clock()
            return self._report

    async def compact(self) -> Compaction:
        """Give the room of deleted rows back to the disk. Raises ConflictError or StoreUnavailableError."""
        try:
            return await asyncio.to_thread(self._store.compact)
        finally:
            self._measured_at = float("-inf")

    def _use(self) -> Usage:
        times = os.times()
        return Usage(self._clock(), times.user + times.system, read_written_bytes(), self.page_bytes)


def read_written_bytes() -> int | None:
    """Return the bytes that the process caused to be written to disks (proc(5)); None where the system tells none."""
    try:
        lines = dict(line.split(": ") for line in _IO.read_text().splitlines())
        return int(lines["write_bytes"])
    except (OSError, ValueError, KeyError):
        return None


def read_memory_bytes() -> int:
    """Return the resident memory of the process; where the system does not tell, its peak."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _daily(amount: float | None, span_seconds: float) -> float | None:
    return None if amount is None or not span_seconds else amount * DAY.total_seconds() / span_seconds
