"""Forecasts on histories whose end is known."""

from __future__ import annotations

import random

import pytest

from proxmon.forecast import Forecast, forecast, slope, without_steps
from tests.builders import NOW


def noisy(days: int, rate: float, noise: float, seed: int = 1, start: float = 100.0) -> list[float]:
    chance = random.Random(seed)
    return [start + rate * day + chance.gauss(0, noise) for day in range(days)]


def told(values: list[float], limit: float = 1000.0) -> Forecast:
    return forecast(values, limit, NOW)


def test_a_line_is_full_when_it_gets_there() -> None:
    found = told([100 + 10 * day for day in range(30)])
    assert found.days == pytest.approx((1000 - 390) / 10)
    assert found.earliest_days == found.latest_days == found.days
    assert (found.rate, found.why) == (10, "")
    assert found.held == found.tried > 0


def test_noise_leaves_the_middle_and_widens_the_interval() -> None:
    found = told(noisy(60, 10, 15), 2000)
    assert found.days is not None
    assert found.earliest_days is not None
    assert found.days == pytest.approx((2000 - 690) / 10, rel=0.15)
    assert found.earliest_days < found.days
    assert found.latest_days is None or found.latest_days > found.days


def test_the_interval_holds_about_as_often_as_it_says_and_the_measured_coverage_tells_it() -> None:
    held = tried = hit = 0
    for seed in range(40):
        values = noisy(75, 10, 12, seed)
        found = told(values[:60], 3000)
        held, tried = held + found.held, tried + found.tried
        assert found.rate is not None
        # What followed in two weeks, against the interval of days scaled to rates.
        grown = (values[74] - values[59]) / 15
        low = 0.0 if found.latest_days is None else (3000 - values[59]) / found.latest_days
        high = (3000 - values[59]) / (found.earliest_days or 1.0)
        hit += low <= grown <= high
    assert 0.65 <= held / tried <= 1.0
    assert hit >= 26


def test_a_snapshot_that_was_destroyed_once_does_not_change_the_rate() -> None:
    values = [500 + 10 * day - (300 if day >= 20 else 0) for day in range(30)]
    found = told(values)
    assert found.rate == pytest.approx(10)
    assert found.days == pytest.approx((1000 - values[-1]) / 10)
    assert without_steps(values)[0] == values[0] - 300
    # Nobody could foresee it: the forecasts of the days before did not hold, and that is told.
    assert 0 < found.held < found.tried


def test_drops_that_come_every_week_belong_to_the_rate() -> None:
    values = [100.0 + 10 * day - 49 * (day // 7) for day in range(70)]
    found = told(values)
    assert found.rate == pytest.approx(3, abs=0.7)


def test_two_large_copies_are_no_trend() -> None:
    values = noisy(60, 1, 0.5)
    values = [value + (200 if day >= 25 else 0) + (150 if day >= 40 else 0) for day, value in enumerate(values)]
    assert told(values).rate == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([100.0] * 30, "It does not grow."),
        ([900 - 10.0 * day for day in range(30)], "It does not grow."),
        ([100 + 0.1 * day for day in range(30)], "Not within two years."),
        ([100 + 10.0 * day for day in range(9)], "There are 9 days of history; 10 are needed."),
        ([], "There are 0 days of history; 10 are needed."),
        ([1000.0 + day for day in range(30)], "It is full."),
    ],
)
def test_what_carries_no_forecast_says_why(values: list[float], why: str) -> None:
    found = told(values)
    assert (found.why, found.days, found.full_at) == (why, None, None)


def test_what_only_jumps_about_carries_no_forecast() -> None:
    for seed in range(10):
        found = told(noisy(40, 0.3, 60, seed, start=500))
        assert found.days is None, seed


def test_days_that_are_not_known_are_drawn_as_a_line() -> None:
    values: list[float | None] = [100.0 + 10 * day for day in range(30)]
    values[5:9] = [None] * 4
    values[0] = None
    found = forecast(values, 1000, NOW)
    assert (found.rate, found.history_days) == (10, 29)


def test_one_day_that_stands_out_is_not_followed() -> None:
    values = [100.0 + 10 * day for day in range(30)]
    values[-4] += 400
    found = told(values)
    assert found.rate == pytest.approx(10, abs=1)


def test_the_slope_is_the_median_of_all_pairs() -> None:
    assert slope([0, 1, 2, 30, 4]) == 1


def test_what_was_seen_in_the_past_only_is_used_for_a_past_forecast() -> None:
    calm, wild = noisy(40, 10, 1), noisy(20, 10, 80, start=500)
    assert told(calm).held / told(calm).tried >= 0.6
    found = told([*calm, *wild], 5000)
    # The calm days' intervals did not hold for the wild ones, and that is told.
    assert found.held / found.tried < told(calm).held / told(calm).tried
