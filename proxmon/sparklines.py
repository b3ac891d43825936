"""Sparklines: a day of each host's load and memory in half hours, read for the whole fleet at once and kept."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

STEP = timedelta(minutes=30)
COUNT = 48
# Minutes are rolled up within 20 s: asking more often would show nothing new.
FRESH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SparklineRequest:
    """A span of the whole fleet's past, from ``since`` on and before ``until``, in steps of half an hour."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class SparklineSteps:
    """A host's means by step, whose numbers count half hours from 1970; None where no sample said so."""

    host_id: int
    steps: Sequence[int]
    load: Sequence[float | None]
    memory_percent: Sequence[float | None]


ReadSteps = Callable[[SparklineRequest], Awaitable[Iterable[SparklineSteps]]]


def _unknown() -> array[float]:
    return array("f", [math.nan] * COUNT)


@dataclass(slots=True)
class Sparkline:
    """One host's last 48 steps as rings, in which a step has the place of its number modulo 48."""

    load: array[float] = field(default_factory=_unknown)
    memory: array[float] = field(default_factory=_unknown)

    def take(self, found: SparklineSteps) -> None:
        """Set the values of some steps."""
        for step, load, memory in zip(found.steps, found.load, found.memory_percent, strict=True):
            self.load[step % COUNT] = math.nan if load is None else load
            self.memory[step % COUNT] = math.nan if memory is None else memory

    def forget(self, steps: range) -> None:
        """Make the values of some steps unknown."""
        for step in steps:
            self.load[step % COUNT] = self.memory[step % COUNT] = math.nan

    def values(self, end: int) -> tuple[list[float | None], list[float | None]]:
        """Return load and memory of the 48 steps before the one with number ``end``, the oldest first."""
        steps = range(end - COUNT, end)
        return _known(self.load, steps, 2), _known(self.memory, steps, 0)


class Sparklines:
    """The sparklines of all hosts that had samples. It belongs to the event loop's thread.

    It holds some 500 bytes a host and is brought up to date when somebody looks, at most once a minute, by one query.
    """

    def __init__(self, read: ReadSteps) -> None:
        self._read = read
        self._hosts: dict[int, Sparkline] = {}
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()

    async def refresh(self, now: datetime) -> None:
        """Read what is new; nothing happens within a minute of the last time.

        Raises:
            StoreUnavailableError: the store cannot be read.
        """
        async with self._reading:
            if self._read_at is not None and now - self._read_at < FRESH:
                return
            first = self._first_step(now)
            found = await self._read(SparklineRequest(start_of(first), now))
            self._forget(range(first, end_step(now)))
            for one in found:
                self._hosts.setdefault(one.host_id, Sparkline()).take(one)
            self._read_at = now

    def find(self, host_id: int, now: datetime) -> tuple[list[float | None], list[float | None]] | None:
        """Return load and memory (percent) of a host in 48 steps up to now, the oldest first; None without any."""
        line = self._hosts.get(host_id)
        return line.values(end_step(self._read_at or now)) if line else None

    def _first_step(self, now: datetime) -> int:
        """Return from which step on to read: the last one was not over, and the one before it may have grown."""
        oldest = end_step(now) - COUNT
        return oldest if self._read_at is None else max(oldest, end_step(self._read_at) - 2)

    def _forget(self, steps: range) -> None:
        """Make room for steps, and drop the hosts of which nothing is left."""
        for host_id, line in list(self._hosts.items()):
            line.forget(steps)
            if all(map(math.isnan, line.load)):
                del self._hosts[host_id]


def step_of(at: datetime) -> int:
    """Return the number of the step that a moment lies in, counted from 1970."""
    return int(at.timestamp() // STEP.total_seconds())


def end_step(now: datetime) -> int:
    """Return the number of the step after the one that is going on."""
    return step_of(now) + 1


def start_of(step: int) -> datetime:
    """Return when a step begins."""
    return datetime.fromtimestamp(step * STEP.total_seconds(), UTC)


def _known(ring: array[float], steps: range, digits: int) -> list[float | None]:
    values = (ring[step % COUNT] for step in steps)
    return [None if math.isnan(value) else round(value, digits) for value in values]
