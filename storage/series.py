"""Series of a host's past: which resolution serves a span, and the rows, minutes and hours that answer it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from duckdb import DuckDBPyConnection

from proxmon.payload import Tier
from proxmon.samples import DEFAULT_INTERVALS
from proxmon.series import METRICS, SeriesKind, SeriesRequest
from proxmon.seriesrows import SeriesRows
from storage.ledger import Span
from storage.moments import from_store, to_store
from storage.series_sql import SERIES

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Lengths that people read off an axis; each but the last ones divides a day.
STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200)
) + tuple(timedelta(days=days) for days in (1, 2, 7, 14, 28))
# A fleet has twenty guests for each host: their minutes are read for a chart of some days, not of some weeks.
LONGEST_BY_MINUTE = {kind: timedelta(days=3) if kind is SeriesKind.GUEST else timedelta(days=14) for kind in SeriesKind}
_EPOCH = datetime(2000, 1, 3, tzinfo=UTC)  # a Monday, so that weeks begin as people expect
_TABLES = {
    SeriesKind.HOST: ("host_samples", "host_1m"),
    SeriesKind.ZPOOL: ("zpool_samples", "zpool_1m"),
    SeriesKind.STORAGE: ("storage_samples", "storage_1m"),
    SeriesKind.GUEST: ("guest_samples", "guest_1m"),
}


@dataclass(frozen=True, slots=True)
class Held:
    """What the store has of a kind of one host: from when on rows and minutes, and until when minutes and hours."""

    interval: timedelta
    rows_since: datetime
    minutes_since: datetime
    minutes_through: datetime
    hours_through: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a series comes from: hours from ``hours``, then minutes, then rows; a step of 0 is each row."""

    step: timedelta
    hours: datetime
    minutes: datetime
    rows: datetime


def read_series(cursor: DuckDBPyConnection, request: SeriesRequest, span: Span | None) -> SeriesRows:
    """Return the rows that ``SeriesRequest`` describes; ``span`` is that of the host's fast samples."""
    held = _held(cursor, request, span)
    plan = make_plan(request, held)
    moments = {
        name: to_store(at) for name, at in (("hours", plan.hours), ("minutes", plan.minutes), ("rows", plan.rows))
    }
    step = max(plan.step // timedelta(microseconds=1), 1)
    parameters = {"host_id": request.host_id, "step": step, "until": to_store(request.until), **moments}
    found = cursor.execute(SERIES[request.kind], parameters).fetchnumpy()
    names = [f"{metric}_{name}" for metric in METRICS[request.kind] for name in ("min", "mean", "max", "last")]
    return SeriesRows(
        at=np.asarray(found["at"]).astype("datetime64[us]"),
        subjects=np.asarray(found["subject"], dtype=np.object_),
        values={name: np.ma.filled(np.ma.asarray(found[name]).astype(np.float64), np.nan) for name in names},
        resolution_seconds=(plan.step or held.interval).total_seconds(),
    )


def make_plan(request: SeriesRequest, held: Held) -> Plan:
    """Choose the finest resolution that the points and what is held allow."""
    step = _choose_step(request, held)
    if step < MINUTE:
        return Plan(step, *([_floor(request.since, step)] * 3))
    since = _floor(request.since, step)
    # Only whole minutes and hours that were over at the end, so that nothing later shows.
    minutes_end = min(held.minutes_through, _floor(request.until, MINUTE))
    if held.rows_since > minutes_end:
        minutes_end = min(held.rows_since, request.until)
    if step < HOUR:
        return Plan(step, since, since, max(since, minutes_end))
    hours_end = min(held.hours_through, _floor(request.until, HOUR))
    if held.minutes_since > hours_end:
        hours_end = min(held.minutes_since, minutes_end)
    return Plan(step, since, max(since, hours_end), max(since, hours_end, minutes_end))


def _choose_step(request: SeriesRequest, held: Held) -> timedelta:
    """Return the length of a step; 0 for each row as it is."""
    ideal = (request.until - request.since) / max(request.points, 1)
    has_rows = request.since >= held.rows_since
    if has_rows and ideal <= held.interval:
        return timedelta(0)
    # Steps hardly longer than the interval would now and then have no sample, which is no gap.
    least = max(ideal, 2 * held.interval)
    if not has_rows:
        least = max(least, MINUTE)
    if request.since < held.minutes_since or request.until - request.since > LONGEST_BY_MINUTE[request.kind]:
        least = max(least, HOUR)
    return STEPS[min(bisect_left(STEPS, least), len(STEPS) - 1)]


def _held(cursor: DuckDBPyConnection, request: SeriesRequest, span: Span | None) -> Held:
    rows, minutes = _TABLES[request.kind]
    found = cursor.execute("SELECT table_name, kept_since FROM base.kept_since").fetchall()
    kept: Mapping[str, datetime] = {name: from_store(since) for name, since in found}
    through = cursor.execute("SELECT hours_through FROM base.rollup_progress").fetchone()
    return Held(
        interval=_interval(cursor, request.host_id, span),
        rows_since=kept.get(rows, _EPOCH),
        minutes_since=kept.get(minutes, _EPOCH),
        minutes_through=_minutes_through(cursor, request.host_id, span),
        hours_through=from_store(through[0]) if through and through[0] else _EPOCH,
    )


def _interval(cursor: DuckDBPyConnection, host_id: int, span: Span | None) -> timedelta:
    query = "SELECT max(interval_seconds) FROM base.fast_samples WHERE host_id = ? AND observed_at = ?"
    row = cursor.execute(query, [host_id, to_store(span.last_observed_at)]).fetchone() if span else None
    return timedelta(seconds=row[0] if row and row[0] else DEFAULT_INTERVALS[Tier.FAST])


def _minutes_through(cursor: DuckDBPyConnection, host_id: int, span: Span | None) -> datetime:
    """Return until when the host's minutes were rolled up: nearly always near its last sample, so look there first."""
    query = "SELECT max(started_at) FROM base.host_1m WHERE host_id = ? AND started_at >= ?"
    for since in (span.last_observed_at - HOUR, _EPOCH) if span else (_EPOCH,):
        found = cursor.execute(query, [host_id, to_store(since)]).fetchone()
        if found and found[0]:
            return from_store(found[0]) + MINUTE
    return _EPOCH


def _floor(at: datetime, step: timedelta) -> datetime:
    return at - (at - _EPOCH) % step if step else at
