"""What a host's page says of a forecast."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboards.forecasts import forecast_line
from dashboards.sections import render_section
from proxmon.forecast import Forecast
from tests.builders import NOW, a_snapshot
from tests.dashboards.parts import a_newest


@pytest.mark.parametrize(
    ("forecast", "words"),
    [
        (Forecast(NOW, days=23.4, earliest_days=18.2, latest_days=31.0), "Full in about 23 days (18 to 31)"),
        (Forecast(NOW, days=0.4, earliest_days=0.3, latest_days=0.4), "Full in about a day"),
        (Forecast(NOW, days=40, earliest_days=9), "Full in about 40 days, at the earliest in 9 days"),
        (Forecast(NOW, "It does not grow."), "Does not grow"),
        (Forecast(NOW, "Not within two years."), "Not full within two years"),
        (Forecast(NOW, "There are 3 days of history."), "No forecast: there are 3 days of history"),
    ],
)
def test_a_forecast_in_one_line(forecast: Forecast, words: str) -> None:
    assert forecast_line(forecast).words == words


def test_what_it_rests_on_stands_behind_it() -> None:
    line = forecast_line(Forecast(NOW, days=20, earliest_days=20, rate=2.0**30, held=8, tried=9, history_days=30))
    assert line.more == "From 30 days of history; +1 GiB a day; 8 of 9 forecasts as of past days held."
    assert line.is_soon


def test_pools_and_storages_show_their_forecasts() -> None:
    one = Forecast(NOW, days=20, earliest_days=20, latest_days=20)
    host = replace(a_snapshot(), forecasts={("zpool", "rpool"): one, ("storage", "local-zfs"): one})
    for section in ("zpools", "storages"):
        assert "Full in about 20 days" in render_section(section, a_newest(host))
        assert "Full in" not in render_section(section, a_newest(replace(host, forecasts={})))
        assert "Full in" not in render_section(section, a_newest(replace(host, left_at=NOW)))
