"""Days until full: a forecast from daily values, with an interval from its own past errors, and how often those held.

The rate is a Theil-Sen slope (the median of the slopes between all pairs of days) of the last days, after single
steps were taken out: it neither follows a day that stands out nor a snapshot that was destroyed once, while drops that
come again and again, as snapshots are pruned by policy, belong to the rate. The interval is not that of a model:
the same forecast is made as of past days, and by how much the growth that followed missed it, is what may come again.
Pure, without I/O; docs/forecasts.md explains the choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

MIN_DAYS, MAX_WINDOW, MAX_HORIZON = 10, 28, 14
# A step is a change of a day that is this many times the usual deviation; more of them than this share are no steps.
STEP_DEVIATIONS, STEP_SHARE = 8.0, 0.1
# Of the past errors, the share that the interval leaves out on each side; and how the range of few is widened.
TAIL, FEW, WIDENED, MOST_WIDENED = 0.1, 10, 0.8, 3.0
FARTHEST_DAYS = 730.0
NOT_GROWING, FAR = "It does not grow.", "Not within two years."
FEWEST_ERRORS = 3


ForecastKey = tuple[str, str]  # zpool, storage or dataset, and its name


@dataclass(frozen=True, slots=True)
class Quota:
    """A dataset that may hold so much."""

    host_id: int
    dataset: str
    limit_bytes: float


@dataclass(frozen=True, slots=True)
class DailyValues:
    """What is used of a pool, storage or dataset, the last value of each day, the newest last; None is not known."""

    host_id: int
    kind: str
    subject: str
    values: tuple[float | None, ...]
    limit: float | None

    @property
    def key(self) -> ForecastKey:
        """Return what it is on its host."""
        return (self.kind, self.subject)


@dataclass(frozen=True, slots=True)
class Forecast:
    """When something is full, or ``why`` that cannot be said.

    ``days`` is the middle, from ``earliest_days`` to ``latest_days`` (None: perhaps never). Of ``tried`` forecasts as
    of past days, ``held`` had what followed within their interval; 80 % should. ``rate`` is in units a day.
    """

    at: datetime
    why: str = ""
    days: float | None = None
    earliest_days: float | None = None
    latest_days: float | None = None
    rate: float | None = None
    held: int = 0
    tried: int = 0
    history_days: int = 0

    @property
    def is_calm(self) -> bool:
        """Tell whether it says that nothing will be full for long."""
        return self.why in (NOT_GROWING, FAR)

    @property
    def full_at(self) -> datetime | None:
        """Return the moment of the middle."""
        return None if self.days is None else self.at + timedelta(days=self.days)


def forecast(values: Sequence[float | None], limit: float, at: datetime) -> Forecast:
    """Forecast when a value reaches its limit, from one value for each day, the newest last; None is not known."""
    filled = _filled(values)
    if len(filled) < MIN_DAYS:
        return Forecast(
            at, f"There are {len(filled)} days of history; {MIN_DAYS} are needed.", history_days=len(filled)
        )
    level = without_steps(filled)
    window, horizon = _spans(len(level))
    rate = slope(level[-window:])
    errors = _past_errors(level, window, horizon)
    held, tried = _coverage(filled, errors, window, horizon)
    known = Forecast(at, rate=rate, held=held, tried=tried, history_days=len(level))
    left = limit - filled[-1]
    low, high = (rate + error for error in _interval(errors, horizon))
    why = _why_none(left, rate, low, high)
    if why:
        return replace(known, why=why)
    latest = left / low if low > 0 else None
    return replace(known, days=left / rate, earliest_days=left / max(high, rate), latest_days=latest)


def _why_none(left: float, rate: float, low: float, high: float) -> str:
    if left <= 0:
        return "It is full."
    if rate <= 0:
        return NOT_GROWING
    if low <= 0 and rate < (high - low) / 4:
        return "It grows too irregularly to say."
    return FAR if left / rate > FARTHEST_DAYS else ""


def slope(values: Sequence[float]) -> float:
    """Return the Theil-Sen slope: the median change a day between all pairs of days."""
    pairs = ((later, earlier) for later in range(len(values)) for earlier in range(later))
    return median((values[later] - values[earlier]) / (later - earlier) for later, earlier in pairs)


def without_steps(values: Sequence[float]) -> list[float]:
    """Return the values with single steps taken out: those before a step are moved to the level after it."""
    changes = [later - earlier for earlier, later in pairwise(values)]
    usual = median(changes)
    # What hardly changes at all has no usual deviation; a thousandth of the level is then what counts as none.
    deviation = max(1.4826 * median(abs(one - usual) for one in changes), abs(values[-1]) / 1000, 1e-9)
    steps = [index for index, one in enumerate(changes) if abs(one - usual) > STEP_DEVIATIONS * deviation]
    if len(steps) > max(1, STEP_SHARE * len(changes)):
        return list(values)
    level = list(values)
    for index in steps:
        jump = changes[index] - usual
        level[: index + 1] = [one + jump for one in level[: index + 1]]
    return level


def _filled(values: Sequence[float | None]) -> list[float]:
    """Return the values from the first known one on, with those of days that are not known drawn as a line."""
    known = [(index, one) for index, one in enumerate(values) if one is not None and math.isfinite(one)]
    found: list[float] = []
    for (start, before), (end, after) in pairwise(known):
        found += [before + (after - before) * step / (end - start) for step in range(end - start)]
    return [*found, known[-1][1]] if known else []


def _spans(days: int) -> tuple[int, int]:
    """Return how many days a rate is taken from, and how far ahead a forecast is checked."""
    return max(5, min(MAX_WINDOW, days // 3)), max(1, min(MAX_HORIZON, days // 8))


def _past_errors(level: Sequence[float], window: int, horizon: int) -> list[float]:
    """Return by how much the growth that followed missed the rate that was known, as of each past day in order."""
    found: list[float] = []
    for today in range(window - 1, len(level) - horizon):
        rate = slope(level[today - window + 1 : today + 1])
        found.append((level[today + horizon] - level[today]) / horizon - rate)
    return found


def _interval(errors: Sequence[float], horizon: int) -> tuple[float, float]:
    """Return between which errors the next one lies, four times in five.

    Errors of days that lie closer than the horizon overlap, so that of ``horizon`` of them only one is news. Few of
    them have not shown yet how far they go: their range is widened, about as Student's t would widen it.
    """
    ordered, count = sorted(errors), 1 + (len(errors) - 1) / horizon
    if count < FEW:
        margin = (ordered[-1] - ordered[0]) * min(MOST_WIDENED, WIDENED * (3 / count) ** 2.5)
        return ordered[0] - margin, ordered[-1] + margin
    place = TAIL * (len(ordered) - 1)
    return _quantile(ordered, place), _quantile(ordered, len(ordered) - 1 - place)


def _quantile(ordered: Sequence[float], place: float) -> float:
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _coverage(values: Sequence[float], errors: Sequence[float], window: int, horizon: int) -> tuple[int, int]:
    """Return how many past intervals held, and how many there were.

    Each is made of what was known on its day, and held against what followed with all steps that came unforeseen.
    """
    held = tried = 0
    for day in range(horizon + FEWEST_ERRORS - 1, len(errors)):
        today = day + window - 1
        rate = slope(without_steps(values[: today + 1])[-window:])
        low, high = (rate + error for error in _interval(errors[: day - horizon + 1], horizon))
        grown = (values[today + horizon] - values[today]) / horizon
        tried += 1
        # What is a line to the last bit must not miss it by rounding.
        slack = 1e-9 * max(1.0, abs(grown))
        held += low - slack <= grown <= high + slack
    return held, tried
