"""Sparklines: read for the whole fleet at once, kept in a ring, brought up to date by what is new."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from proxmon.errors import StoreUnavailableError
from proxmon.sparklines import COUNT, STEP, SparklineRequest, Sparklines, SparklineSteps, end_step, start_of, step_of
from tests.builders import NOW

MINUTE = timedelta(minutes=1)


class Rollups:
    """What the store has: each host's load by step."""

    def __init__(self, **hosts: dict[int, float]) -> None:
        self.hosts = {int(name[1:]): loads for name, loads in hosts.items()}
        self.asked: list[SparklineRequest] = []

    async def read(self, request: SparklineRequest) -> Sequence[SparklineSteps]:
        self.asked.append(request)
        first, end = step_of(request.since), end_step(request.until)
        found = []
        for host_id, loads in self.hosts.items():
            steps = [step for step in loads if first <= step < end]
            if steps:
                values = [loads[step] for step in steps]
                found.append(SparklineSteps(host_id, steps, values, [None] * len(steps)))
        return found


def refreshed(lines: Sparklines, *moments: datetime) -> None:
    async def refresh() -> None:
        for moment in moments:
            await lines.refresh(moment)

    asyncio.run(refresh())


def loads(lines: Sparklines, host_id: int, now: datetime) -> list[float | None]:
    found = lines.find(host_id, now)
    assert found is not None
    return found[0]


def test_a_day_is_read_at_once_and_the_step_that_goes_on_is_the_last() -> None:
    this = step_of(NOW)
    rollups = Rollups(h1={this: 3.0, this - 1: 2.0, this - COUNT + 1: 1.0, this - COUNT: 9.0})
    lines = Sparklines(rollups.read)
    refreshed(lines, NOW)
    assert loads(lines, 1, NOW) == [1, *[None] * (COUNT - 3), 2, 3]
    (request,) = rollups.asked
    assert (request.since, request.until) == (start_of(this - COUNT + 1), NOW)
    assert lines.find(2, NOW) is None


def test_within_a_minute_nothing_is_read_again() -> None:
    rollups = Rollups()
    refreshed(Sparklines(rollups.read), NOW, NOW + MINUTE / 2)
    assert len(rollups.asked) == 1


def test_later_only_what_may_have_changed_is_read() -> None:
    this = step_of(NOW)
    rollups = Rollups(h1={this: 3.0, this - 1: 2.0})
    lines = Sparklines(rollups.read)
    refreshed(lines, NOW)
    rollups.hosts[1] |= {this: 4.0, this + 1: 5.0}
    refreshed(lines, NOW + STEP)
    assert loads(lines, 1, NOW + STEP)[-3:] == [2, 4, 5]
    assert rollups.asked[-1].since == start_of(this - 1)


def test_what_is_older_than_a_day_does_not_come_back() -> None:
    this = step_of(NOW)
    lines = Sparklines(Rollups(h1={this: 3.0, this + 50: 1.0}).read)
    refreshed(lines, NOW, NOW + 50 * STEP)
    assert loads(lines, 1, NOW + 50 * STEP) == [*[None] * (COUNT - 1), 1]


def test_a_host_that_was_silent_for_a_day_takes_no_room() -> None:
    lines = Sparklines(Rollups(h1={step_of(NOW): 3.0}).read)
    refreshed(lines, NOW, NOW + 60 * STEP)
    assert lines.find(1, NOW) is None


def test_pages_that_open_together_are_served_by_one_query() -> None:
    rollups = Rollups()
    lines = Sparklines(rollups.read)

    async def open_pages() -> None:
        await asyncio.gather(*(lines.refresh(NOW) for _ in range(5)))

    asyncio.run(open_pages())
    assert len(rollups.asked) == 1


def test_a_store_that_fails_is_asked_again() -> None:
    rollups = Rollups(h1={step_of(NOW): 3.0})

    async def fail(request: SparklineRequest) -> Sequence[SparklineSteps]:
        raise StoreUnavailableError("The store is being opened.")

    lines = Sparklines(fail)
    with pytest.raises(StoreUnavailableError):
        refreshed(lines, NOW)
    lines._read = rollups.read
    refreshed(lines, NOW)
    assert loads(lines, 1, NOW)[-1] == 3
