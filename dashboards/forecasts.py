"""A forecast as a host's page says it: one line, and behind it what it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.formats import size
from dashboards.newest import Newest
from proxmon.forecast import FAR, NOT_GROWING, Forecast

CALM = {NOT_GROWING: "Does not grow", FAR: "Not full within two years"}


@dataclass(frozen=True, slots=True)
class ForecastLine:
    """What is said of a pool, storage or dataset, and the longer words behind it."""

    words: str
    more: str
    is_soon: bool
    is_date: bool = True


def find_forecast(newest: Newest, kind: str, subject: str) -> ForecastLine | None:
    """Return what is forecast; None where nothing is, as of a past moment or an offline host."""
    found = None if newest.is_offline else newest.judged.snapshot.forecasts.get((kind, subject))
    return forecast_line(found) if found else None


def forecast_line(one: Forecast) -> ForecastLine:
    """Put a forecast into words."""
    if one.days is None:
        words = CALM.get(one.why) or f"No forecast: {one.why[0].lower()}{one.why[1:]}".rstrip(".")
        return ForecastLine(words, _more(one), is_soon=False, is_date=False)
    return ForecastLine(f"Full in about {_days(one.days)}{_between(one)}", _more(one), is_soon=one.days < 30)


def _between(one: Forecast) -> str:
    if one.earliest_days is None:
        return ""
    if one.latest_days is None:
        return f", at the earliest in {_days(one.earliest_days)}"
    low, high = round(one.earliest_days), round(one.latest_days)
    return f" ({low} to {high})" if low != high else ""


def _days(days: float) -> str:
    whole = round(days)
    return "a day" if whole <= 1 else f"{whole} days"


def _more(one: Forecast) -> str:
    parts = [f"From {one.history_days} days of history"]
    if one.rate is not None:
        parts.append(f"{'+' if one.rate > 0 else '−'}{size(abs(one.rate))} a day")
    if one.tried:
        parts.append(f"{one.held} of {one.tried} forecasts as of past days held")
    return "; ".join(parts) + "."
