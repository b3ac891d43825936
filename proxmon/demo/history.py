"""Writes the demo's past: a monitor with a clock of then takes in what the agents would have sent.

Samples are stored, judged and told to the bus as a live server does it, so that what is recorded is what would have
been. Only the storing is done in larger groups, and of the far past a sample is taken every few minutes: the agents
say so with each message (``interval_s``), and the rules wait accordingly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from proxmon.alerts.replay import Message
from proxmon.config import Settings
from proxmon.context import Monitor
from proxmon.demo.names import host_name
from proxmon.demo.scenario import Scenario
from proxmon.payload import Tier
from proxmon.runtime import Store, make_monitor
from proxmon.samples import Appended, Sample, read_message

DAY = timedelta(days=1)
TICK = timedelta(seconds=1)  # how often a live server lets time pass
# What charts of a month, a week and a day need, by how many days lie before the demo; some 12,000 samples of 8 hosts.
PACES: tuple[tuple[timedelta, Mapping[Tier, float]], ...] = (
    (1 * DAY, {Tier.FAST: 300.0, Tier.MEDIUM: 1800.0, Tier.SLOW: 3600.0}),
    (7 * DAY, {Tier.FAST: 1800.0, Tier.MEDIUM: 7200.0, Tier.SLOW: 7200.0}),
    (timedelta.max, {Tier.FAST: 3600.0, Tier.MEDIUM: 10_800.0, Tier.SLOW: 10_800.0}),
)
HOSTS_AT_FULL_PACE = 8  # more hosts send less often, so that their past takes no longer to write
LONGEST_INTERVALS: Mapping[Tier, float] = {Tier.FAST: 3600.0, Tier.MEDIUM: 14_400.0, Tier.SLOW: 28_800.0}
HOSTS_WITH_PAST = 50  # from here on the intervals would have to be longer than an hour, or to write takes minutes
CHUNK_MESSAGES = 400


class PastStore(Store, Protocol):
    """What the history asks of the store."""

    def append(self, samples: Sequence[Sample]) -> Future[Appended]:
        """Store samples; the future is done once they are durable."""
        ...

    def keep_up(self, at: datetime) -> None:
        """Bring the rollups up to a moment, and delete what is then too old."""


@dataclass(frozen=True, slots=True)
class Past:
    """A past that was written: the scenario that goes on from there, and the hosts' tokens by name."""

    scenario: Scenario
    tokens: Mapping[str, str]


@dataclass(slots=True)
class PastClock:
    """The clock of the monitor that lives in the past."""

    now: datetime

    def __call__(self) -> datetime:
        """Return the moment that it is there."""
        return self.now


def write_history(
    store: PastStore,
    settings: Settings,
    begins_at: datetime,
    *,
    hosts: int = 8,
    days: float = 30.0,
    watch: Callable[[Monitor], None] = lambda _: None,
    is_over: Callable[[], bool] = lambda: False,
) -> Past:
    """Add the demo's hosts and write their last days before it begins.

    ``watch`` is given the monitor of then before anything happens, to subscribe to its bus. ``is_over`` is asked again
    and again, and ends the writing where it is.
    """
    clock, scenario = PastClock(begins_at - days * DAY), Scenario(begins_at)
    monitor = make_monitor(store, settings, clock)
    watch(monitor)
    return Past(scenario, asyncio.run(_write(_Writer(monitor, store, clock), scenario, hosts, is_over)))


async def _write(writer: _Writer, scenario: Scenario, hosts: int, is_over: Callable[[], bool]) -> dict[str, str]:
    """Write the past from the writer's moment on; return the hosts' tokens by name."""
    monitor, starts_at = writer.monitor, writer.clock.now
    tokens = {name: (await monitor.hosts.add(name)).token for name in map(host_name, range(hosts))}
    ids = [_host_id(monitor, name) for name in tokens]
    for chunk in _chunks(past_messages(scenario, ids, starts_at)):
        if is_over():
            return tokens
        await writer.write(chunk)
    await writer.finish(scenario.begins_at)
    return tokens


def _chunks(messages: Iterator[Message]) -> Iterator[list[Message]]:
    """Give messages in groups that the store takes in one transaction, none of which spans midnight."""
    chunk: list[Message] = []
    for message in messages:
        if chunk and (len(chunk) >= CHUNK_MESSAGES or message.received_at.date() != chunk[0].received_at.date()):
            yield chunk
            chunk = []
        chunk.append(message)
    yield chunk


def past_messages(scenario: Scenario, ids: Sequence[int], starts_at: datetime) -> Iterator[Message]:
    """Give what the demo's hosts, whose ids these are, sent until it began, in the order of time."""
    hosts = len(ids)
    due = {(index, tier): starts_at for index in range(hosts) for tier in Tier}
    at = starts_at
    while at < scenario.begins_at:
        intervals = _intervals(hosts, scenario.begins_at - at)
        for index in range(hosts):
            # All send when they are added, and then not in step.
            lag = 0.0 if at == starts_at else index / hosts * intervals[Tier.FAST]
            moment = at + timedelta(seconds=lag)
            if moment < scenario.begins_at and scenario.is_sending(index, moment):
                tiers = [tier for tier in Tier if due[index, tier] <= at]
                due |= {(index, tier): at + timedelta(seconds=intervals[tier]) for tier in tiers}
                body = msgspec.json.encode(scenario.message(index, moment, tiers, intervals))
                yield Message(ids[index], moment, read_message(body, ids[index], moment))
        at += timedelta(seconds=intervals[Tier.FAST])


def _host_id(monitor: Monitor, name: str) -> int:
    judged = monitor.board.find_named(name)
    assert judged is not None
    return judged.id


def _intervals(hosts: int, before: timedelta) -> Mapping[Tier, float]:
    usual = next(intervals for span, intervals in PACES if before <= span)
    slower = max(1.0, hosts / HOSTS_AT_FULL_PACE)
    return {tier: min(seconds * slower, LONGEST_INTERVALS[tier]) for tier, seconds in usual.items()}


@dataclass
class _Writer:
    """Stores a chunk while the one before it is judged and the next one is made."""

    monitor: Monitor
    store: PastStore
    clock: PastClock
    stored: list[tuple[list[Message], Future[Appended]]] = field(
        default_factory=list[tuple[list[Message], Future[Appended]]]
    )

    async def write(self, chunk: list[Message]) -> None:
        """Store a chunk, and judge the one before."""
        is_new_day = bool(self.stored) and chunk[0].received_at.date() != self.stored[-1][0][-1].received_at.date()
        if is_new_day:
            await self.settle(chunk[0].received_at)
        samples = [sample for message in chunk for sample in message.samples]
        self.stored.append((chunk, self.store.append(samples)))
        if len(self.stored) > 1:
            await self._judge(*self.stored.pop(0))

    async def settle(self, at: datetime) -> None:
        """Judge what was stored, and do what the store does in between."""
        while self.stored:
            await self._judge(*self.stored.pop(0))
        await asyncio.to_thread(self.store.keep_up, at)

    async def finish(self, at: datetime) -> None:
        """Let the time pass that is left."""
        await self.settle(at)
        await self._pass(at)

    async def _judge(self, chunk: list[Message], stored: Future[Appended]) -> None:
        await asyncio.wrap_future(stored)
        for message in chunk:
            await self._pass(message.received_at)
            self.monitor.board.accept(message.host_id, message.samples, message.received_at)
            await self._hear()

    async def _pass(self, at: datetime) -> None:
        """Let time pass: the board ticks whenever that alone changes a verdict, as soon as a live one would."""
        board = self.monitor.board
        while (expiry := board.next_expiry) is not None and expiry + TICK < at:
            self.clock.now = expiry + TICK
            board.tick()
            await self._hear()
        self.clock.now = at

    async def _hear(self) -> None:
        """Let those who listen to the bus hear it while the clock stands."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
