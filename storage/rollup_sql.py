"""The SQL that rolls up rows by the minute and minutes by the hour: for each table what to find, delete and insert."""

from __future__ import annotations

from dataclasses import dataclass

from proxmon.series import SeriesKind
from storage.series_sql import AGGREGATED_ROLLUPS, AGGREGATED_ROWS


@dataclass(frozen=True, slots=True)
class Rollup:
    """A rollup table and the one it is made from; ``$hosts`` and ``$starts`` say which parts are meant."""

    source: str
    find: str
    delete: str
    insert: str


_TOUCHED = "(SELECT unnest($hosts::INTEGER[]) AS host_id, unnest($starts::TIMESTAMP[]) AS started_at)"
# The span lets zone maps skip all but the row groups of that time.
_WHERE = " WHERE started_at >= $since AND started_at < $until AND (host_id, started_at) IN " + _TOUCHED
_FIND, _DELETE = "SELECT DISTINCT host_id, started_at FROM base.", "DELETE FROM base."
_ROWS = ", rowid AS position, time_bucket(INTERVAL 1 MINUTE, observed_at) AS started_at FROM base."
_OF_ROWS = (
    " WHERE observed_at >= $since AND observed_at < $until) JOIN " + _TOUCHED
) + " AS touched USING (host_id, started_at) GROUP BY ALL"
_MINUTES = ", time_bucket(INTERVAL 1 HOUR, started_at) AS hour FROM base."
_OF_MINUTES = (
    " WHERE started_at >= $since AND started_at < $until) AS made JOIN " + _TOUCHED
) + " AS touched ON made.host_id = touched.host_id AND made.hour = touched.started_at GROUP BY ALL"

MINUTES: tuple[Rollup, ...] = (
    Rollup(
        "host_samples",
        _FIND + "host_1m" + _WHERE,
        _DELETE + "host_1m" + _WHERE,
        ("INSERT INTO base.host_1m BY NAME SELECT host_id, started_at, " + AGGREGATED_ROWS)
        + ("FROM (SELECT *" + _ROWS + "host_samples" + _OF_ROWS),
    ),
    Rollup(
        "zpool_samples",
        _FIND + "zpool_1m" + _WHERE,
        _DELETE + "zpool_1m" + _WHERE,
        ("INSERT INTO base.zpool_1m BY NAME SELECT host_id, started_at, pool, " + AGGREGATED_ROWS)
        + ("FROM (SELECT *" + _ROWS + "zpool_samples" + _OF_ROWS),
    ),
    Rollup(
        "storage_samples",
        _FIND + "storage_1m" + _WHERE,
        _DELETE + "storage_1m" + _WHERE,
        ("INSERT INTO base.storage_1m BY NAME SELECT host_id, started_at, storage, " + AGGREGATED_ROWS)
        + ("FROM (SELECT *" + _ROWS + "storage_samples" + _OF_ROWS),
    ),
    Rollup(
        "guest_samples",
        _FIND + "guest_1m" + _WHERE,
        _DELETE + "guest_1m" + _WHERE,
        ("INSERT INTO base.guest_1m BY NAME SELECT host_id, started_at, vmid, type, " + AGGREGATED_ROWS)
        + ("FROM (SELECT *" + _ROWS + "guest_samples" + _OF_ROWS),
    ),
)
_HOUR_OF = "made.host_id, made.hour AS started_at, "
HOURS: tuple[Rollup, ...] = (
    Rollup(
        "host_1m",
        _FIND + "host_1h" + _WHERE,
        _DELETE + "host_1h" + _WHERE,
        ("INSERT INTO base.host_1h BY NAME SELECT " + _HOUR_OF + AGGREGATED_ROLLUPS[SeriesKind.HOST])
        + ("FROM (SELECT *" + _MINUTES + "host_1m" + _OF_MINUTES),
    ),
    Rollup(
        "zpool_1m",
        _FIND + "zpool_1h" + _WHERE,
        _DELETE + "zpool_1h" + _WHERE,
        ("INSERT INTO base.zpool_1h BY NAME SELECT " + _HOUR_OF + "pool, " + AGGREGATED_ROLLUPS[SeriesKind.ZPOOL])
        + ("FROM (SELECT *" + _MINUTES + "zpool_1m" + _OF_MINUTES),
    ),
    Rollup(
        "storage_1m",
        _FIND + "storage_1h" + _WHERE,
        _DELETE + "storage_1h" + _WHERE,
        ("INSERT INTO base.storage_1h BY NAME SELECT " + _HOUR_OF + "storage, ")
        + (AGGREGATED_ROLLUPS[SeriesKind.STORAGE] + "FROM (SELECT *" + _MINUTES + "storage_1m" + _OF_MINUTES),
    ),
    Rollup(
        "guest_1m",
        _FIND + "guest_1h" + _WHERE,
        _DELETE + "guest_1h" + _WHERE,
        ("INSERT INTO base.guest_1h BY NAME SELECT " + _HOUR_OF + "vmid, type, ")
        + (AGGREGATED_ROLLUPS[SeriesKind.GUEST] + "FROM (SELECT *" + _MINUTES + "guest_1m" + _OF_MINUTES),
    ),
)
