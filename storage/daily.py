"""One value a day of what can get full: the last of each day, counted back from a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from duckdb import DuckDBPyConnection

from proxmon.forecast import DailyValues, Quota
from storage.moments import to_store

_AGE = "floor((epoch($until) - epoch({at})) / 86400)::INTEGER AS age"
_SPAN = "{at} > $since AND {at} <= $until"
_ZPOOLS = f"""
SELECT 'zpool', host_id, pool, {_AGE.format(at="started_at")}, arg_max(alloc_bytes_last, started_at),
    arg_max(size_bytes_last, started_at) FROM base.zpool_1h WHERE {_SPAN.format(at="started_at")} GROUP BY ALL
UNION ALL
SELECT 'storage', host_id, storage, {_AGE.format(at="started_at")}, arg_max(used_bytes_last, started_at),
    arg_max(total_bytes_last, started_at) FROM base.storage_1h WHERE {_SPAN.format(at="started_at")} GROUP BY ALL
"""  # noqa: S608 - constants of this module
_DATASETS = f"""
SELECT 'dataset', host_id, dataset, {_AGE.format(at="observed_at")}, arg_max(used_bytes, observed_at), any_value(quota)
FROM base.dataset_samples JOIN (SELECT unnest($hosts::INTEGER[]) AS host_id, unnest($datasets::VARCHAR[]) AS dataset,
    unnest($quotas::DOUBLE[]) AS quota) AS wanted USING (host_id, dataset)
WHERE {_SPAN.format(at="observed_at")} GROUP BY ALL
"""  # noqa: S608


def read_daily(cursor: DuckDBPyConnection, until: datetime, days: int, quotas: Sequence[Quota]) -> list[DailyValues]:
    """List the daily values of pools, storages and the datasets of these quotas, up to a moment."""
    span = {"since": to_store(until - timedelta(days=days)), "until": to_store(until)}
    rows = cursor.execute(_ZPOOLS, span).fetchall()
    if quotas:
        columns = {
            "hosts": [one.host_id for one in quotas],
            "datasets": [one.dataset for one in quotas],
            "quotas": [one.limit_bytes for one in quotas],
        }
        rows += cursor.execute(_DATASETS, span | columns).fetchall()
    found: dict[tuple[str, int, str], list[tuple[int, float | None, float | None]]] = {}
    for kind, host_id, subject, age, value, limit in rows:
        found.setdefault((kind, host_id, subject), []).append((age, value, limit))
    return [_daily(*key, days, known) for key, known in found.items()]


def _daily(
    kind: str, host_id: int, subject: str, days: int, known: Sequence[tuple[int, float | None, float | None]]
) -> DailyValues:
    values: list[float | None] = [None] * days
    for age, value, _ in known:
        if 0 <= age < days:
            values[days - 1 - age] = value
    newest = min(known, key=lambda one: one[0])
    return DailyValues(host_id, kind, subject, tuple(values), newest[2])
