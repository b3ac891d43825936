"""Load and memory of the whole fleet in half hours, from the rollups alone."""

from __future__ import annotations

from datetime import datetime

from duckdb import DuckDBPyConnection

from proxmon.sparklines import SparklineRequest, SparklineSteps
from storage.moments import to_store
from storage.rollups import read_kept_since

_LISTED = "SELECT host_id, list(step), list(load), list(memory) FROM ({}) GROUP BY host_id"
_MINUTES = _LISTED.format("""
    SELECT host_id, epoch(started_at)::BIGINT // 1800 AS step, sum(load1_mean * load1_count) / sum(load1_count) AS load,
        100 * sum(mem_used_bytes_mean * mem_used_bytes_count) / sum(mem_total_bytes_mean * mem_used_bytes_count)
            AS memory
    FROM base.host_1m WHERE started_at >= $since AND started_at < $until GROUP BY ALL
""")
# An hour's mean stands for both of its halves.
_HOURS = _LISTED.format("""
    SELECT host_id, epoch(started_at)::BIGINT // 1800 + half AS step, load1_mean AS load,
        100 * mem_used_bytes_mean / nullif(mem_total_bytes_mean, 0) AS memory
    FROM base.host_1h, (VALUES (0), (1)) AS halves(half)
    WHERE started_at >= $since - INTERVAL 30 MINUTE AND started_at + half * INTERVAL 30 MINUTE >= $since
        AND started_at + half * INTERVAL 30 MINUTE < $until
""")


def read_sparklines(cursor: DuckDBPyConnection, request: SparklineRequest) -> list[SparklineSteps]:
    """List the means of each host by half hours; from hours where minutes are not kept any more."""
    since = to_store(request.since)
    has_minutes = read_kept_since(cursor).get("host_1m", datetime.min) <= since
    parameters = {"since": since, "until": to_store(request.until)}
    found = cursor.execute(_MINUTES if has_minutes else _HOURS, parameters).fetchall()
    return [SparklineSteps(*row) for row in found]
