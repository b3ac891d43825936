"""What the server costs: rates of the last hour, the store measured once a minute, latencies."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from proxmon.costs import CostMeter, Latency, TableSize, read_memory_bytes, read_written_bytes
from tests.builders import DAY, NOW
from tests.dashboards.parts import StoreMemory


class Clock:
    """A monotonic clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time that it is."""
        return self.now


def test_growth_is_told_from_what_there_is() -> None:
    table = TableSize("host_samples", 10, 4_000_000, NOW - 4 * DAY)
    assert table.daily_bytes(NOW) == 1_000_000
    assert table.daily_bytes(NOW - 4 * DAY + timedelta(minutes=5)) is None
    assert TableSize("events", 1, 1).daily_bytes(NOW) is None


def test_the_store_is_measured_at_most_once_a_minute() -> None:
    clock, store, asked = Clock(), StoreMemory(), list[float]()
    report = store.report

    def count() -> object:
        asked.append(clock.now)
        return report()

    store.report = count  # pyright: ignore[reportAttributeAccessIssue] - a counting stand-in
    meter = CostMeter(store, clock)

    async def ask() -> None:
        for clock.now in (0, 30, 59, 60, 90):
            await asyncio.gather(meter.report(), meter.report())
        await meter.compact()
        await meter.report()

    asyncio.run(ask())
    assert asked == [0, 60, 90]


def test_rates_are_those_of_the_last_hour() -> None:
    clock = Clock()
    meter = CostMeter(StoreMemory(), clock)
    for minute in range(1, 200):
        clock.now = minute * 60.0
        meter.page_bytes += 600 if minute > 120 else 6_000_000
        meter.tick()
        meter.tick()
    cost = meter.server()
    assert cost.span_seconds == 59 * 60
    assert cost.page_bytes_per_day == pytest.approx(10 * 86_400)
    assert cost.cpu_ratio is not None
    assert cost.cpu_ratio < 0.1


def test_a_new_server_has_no_rates_yet() -> None:
    cost = CostMeter(StoreMemory(), Clock()).server()
    assert (cost.cpu_ratio, cost.written_bytes_per_day, cost.page_bytes_per_day) == (None, None, None)


def test_latencies_have_count_sum_and_quantiles() -> None:
    latency = Latency()
    assert latency.quantile(0.5) is None
    for number in range(1, 101):
        latency.add(number / 1000)
    assert (latency.count, latency.quantile(0.5), latency.quantile(0.99)) == (100, 0.051, 0.1)
    assert latency.sum_seconds == pytest.approx(5.05)


def test_the_process_tells_its_memory_and_what_it_wrote() -> None:
    assert 10**6 < read_memory_bytes() < 10**11
    written = read_written_bytes()
    assert written is None or written >= 0


def test_a_system_that_tells_nothing_has_no_written_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("proxmon.costs._IO", tmp_path / "io")
    monkeypatch.setattr("proxmon.costs._STATM", tmp_path / "statm")
    assert read_written_bytes() is None
    assert read_memory_bytes() > 0
