"""Sparklines come from the rollups alone, for all hosts at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from proxmon.config import RetentionSettings
from proxmon.fleet import Host
from proxmon.sparklines import SparklineRequest, SparklineSteps, step_of
from storage import Store
from tests.builders import DAY, NOW, a_sample
from tests.storage.conftest import SECRET

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def tell(store: Store, host: Host, *loads: tuple[timedelta, float]) -> None:
    """Store samples so long after now, with these loads and half of the memory used."""
    samples = [
        a_sample(host.id, payload={"host": {"load1": load, "mem_used_bytes": 2, "mem_total_bytes": 4}}, collected_at=at)
        for at, load in ((NOW + after, load) for after, load in loads)
    ]
    store.append(samples).result()


def read(store: Store, since: timedelta, until: timedelta) -> list[SparklineSteps]:
    return sorted(store.sparklines(SparklineRequest(NOW + since, NOW + until)), key=lambda one: one.host_id)


def test_the_means_of_half_hours_weigh_each_sample_alike(store: Store, host: Host) -> None:
    other = store.add_host("pve-02", SECRET, NOW - DAY)
    second = timedelta(seconds=10)
    tell(store, host, (0 * MINUTE, 1.0), (second, 2.0), (2 * second, 3.0), (29 * MINUTE, 10.0), (30 * MINUTE, 7.0))
    tell(store, other, (MINUTE, 5.0))
    store.keep_up(NOW + HOUR)
    this = step_of(NOW)
    one, two = read(store, -DAY, HOUR)
    assert dict(zip(one.steps, one.load, strict=True)) == {this: 4, this + 1: 7}
    assert (list(two.steps), list(two.load), list(two.memory_percent)) == ([this], [5], [50])
    assert read(store, 2 * HOUR, 3 * HOUR) == []


def test_a_value_that_nobody_knows_is_none(store: Store, host: Host) -> None:
    store.append([a_sample(host.id, payload={"host": {"load1": 1.0}})]).result()
    store.keep_up(NOW + HOUR)
    (one,) = read(store, -DAY, HOUR)
    assert (list(one.load), list(one.memory_percent)) == ([1], [None])


@pytest.mark.parametrize("late", [timedelta(0), 30 * MINUTE])
def test_where_minutes_are_gone_an_hour_stands_for_its_halves(directory: Path, late: timedelta) -> None:
    opened = Store.open(directory, retention=RetentionSettings(minute_days=1, row_days=1))
    host = opened.add_host("pve-01", SECRET, NOW - DAY)
    tell(opened, host, (0 * MINUTE, 1.0), (45 * MINUTE, 3.0))
    opened.keep_up(NOW + 3 * DAY)
    (one,) = read(opened, late, HOUR)
    opened.close()
    halves = [step_of(NOW), step_of(NOW) + 1]
    assert sorted(one.steps) == halves[1:] if late else halves
    assert set(one.load) == {2}
