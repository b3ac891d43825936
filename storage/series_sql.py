"""The SQL behind series and rollups: one shape for rows, minutes and hours, so that all three aggregate alike.

``COLUMNS`` picks the metrics by the endings of their names: the four kinds share every expression but the means.
"""

# ruff: noqa: S608 - what is joined here are constants of this module

from __future__ import annotations

from proxmon.series import SeriesKind

# scan_percent of a zpool is no metric.
_METRICS = r"COLUMNS('^(load\d+|(?:cpu|capacity|fragmentation)_percent|\w+_bytes)$')"

# Of two samples at one moment the one stored later, whose position is behind, counts as the last. A mean that is beyond
# every measurement is not known: some columns are FLOAT, and a number that none can hold would end all rollups.
AGGREGATED_ROWS = (
    ("min(" + _METRICS + ") AS '\\1_min', CASE WHEN abs(avg(" + _METRICS + ")) < 1e38 THEN ")
    + ("avg(" + _METRICS + r") END AS '\1_mean', ")
    + ("max(" + _METRICS + r") AS '\1_max', count(" + _METRICS + r") AS '\1_count', ")
    + ("arg_max(" + _METRICS + r", (observed_at, position)) AS '\1_last' ")
)
_AS_ROLLUP = ("observed_at AS started_at, " + _METRICS + r" AS '\1_min', " + _METRICS + r" AS '\1_mean', ") + (
    _METRICS + r" AS '\1_max', " + _METRICS + r" AS '\1_last', (" + _METRICS + r" IS NOT NULL)::INTEGER AS '\1_count' "
)
_AGGREGATED = r"""
    min(COLUMNS('^(.*_min)$')) AS '\1', max(COLUMNS('^(.*_max)$')) AS '\1', sum(COLUMNS('^(.*_count)$')) AS '\1',
    arg_max(COLUMNS('^(.*_last)$'), made.started_at) AS '\1', """

# A mean of means is weighted by how many values each of them had.
AGGREGATED_ROLLUPS = {
    SeriesKind.HOST: _AGGREGATED
    + """
    sum(load1_mean * load1_count) / sum(load1_count) AS load1_mean,
    sum(load5_mean * load5_count) / sum(load5_count) AS load5_mean,
    sum(load15_mean * load15_count) / sum(load15_count) AS load15_mean,
    sum(cpu_percent_mean * cpu_percent_count) / sum(cpu_percent_count) AS cpu_percent_mean,
    sum(mem_used_bytes_mean * mem_used_bytes_count) / sum(mem_used_bytes_count) AS mem_used_bytes_mean,
    sum(mem_total_bytes_mean * mem_total_bytes_count) / sum(mem_total_bytes_count) AS mem_total_bytes_mean,
    sum(arc_bytes_mean * arc_bytes_count) / sum(arc_bytes_count) AS arc_bytes_mean """,
    SeriesKind.ZPOOL: _AGGREGATED
    + """
    sum(capacity_percent_mean * capacity_percent_count) / sum(capacity_percent_count) AS capacity_percent_mean,
    sum(fragmentation_percent_mean * fragmentation_percent_count) / sum(fragmentation_percent_count)
        AS fragmentation_percent_mean,
    sum(size_bytes_mean * size_bytes_count) / sum(size_bytes_count) AS size_bytes_mean,
    sum(alloc_bytes_mean * alloc_bytes_count) / sum(alloc_bytes_count) AS alloc_bytes_mean,
    sum(free_bytes_mean * free_bytes_count) / sum(free_bytes_count) AS free_bytes_mean """,
    SeriesKind.STORAGE: _AGGREGATED
    + """
    sum(used_bytes_mean * used_bytes_count) / sum(used_bytes_count) AS used_bytes_mean,
    sum(total_bytes_mean * total_bytes_count) / sum(total_bytes_count) AS total_bytes_mean """,
    SeriesKind.GUEST: _AGGREGATED
    + """
    sum(cpu_percent_mean * cpu_percent_count) / sum(cpu_percent_count) AS cpu_percent_mean,
    sum(mem_bytes_mean * mem_bytes_count) / sum(mem_bytes_count) AS mem_bytes_mean,
    sum(maxmem_bytes_mean * maxmem_bytes_count) / sum(maxmem_bytes_count) AS maxmem_bytes_mean """,
}

_STEPS = 'SELECT time_bucket(to_microseconds($step), started_at, $hours) AS "at", subject, '
_HOURS = " WHERE host_id = $host_id AND started_at >= $hours AND started_at < $minutes"
_MINUTES = " WHERE host_id = $host_id AND started_at >= $minutes AND started_at < $rows"
_ROWS = " WHERE host_id = $host_id AND observed_at >= $rows AND observed_at <= $until"
_ENDING = ') AS made GROUP BY ALL ORDER BY "at", subject'
_UNION = " UNION ALL BY NAME SELECT "
# Hours from $hours, minutes from $minutes and rows from $rows to $until: a part that is empty costs nothing.
SERIES = {
    SeriesKind.HOST: (_STEPS + AGGREGATED_ROLLUPS[SeriesKind.HOST])
    + ("FROM (SELECT '' AS subject, * FROM base.host_1h" + _HOURS)
    + (_UNION + "'' AS subject, * FROM base.host_1m" + _MINUTES)
    + (_UNION + "'' AS subject, " + _AS_ROLLUP + "FROM base.host_samples" + _ROWS + _ENDING),
    SeriesKind.ZPOOL: (_STEPS + AGGREGATED_ROLLUPS[SeriesKind.ZPOOL])
    + ("FROM (SELECT pool AS subject, * FROM base.zpool_1h" + _HOURS)
    + (_UNION + "pool AS subject, * FROM base.zpool_1m" + _MINUTES)
    + (_UNION + "pool AS subject, " + _AS_ROLLUP + "FROM base.zpool_samples" + _ROWS + _ENDING),
    SeriesKind.STORAGE: (_STEPS + AGGREGATED_ROLLUPS[SeriesKind.STORAGE])
    + ("FROM (SELECT storage AS subject, * FROM base.storage_1h" + _HOURS)
    + (_UNION + "storage AS subject, * FROM base.storage_1m" + _MINUTES)
    + (_UNION + "storage AS subject, " + _AS_ROLLUP + "FROM base.storage_samples" + _ROWS + _ENDING),
    SeriesKind.GUEST: (_STEPS + AGGREGATED_ROLLUPS[SeriesKind.GUEST])
    + ("FROM (SELECT concat_ws('/', type, vmid) AS subject, * FROM base.guest_1h" + _HOURS)
    + (_UNION + "concat_ws('/', type, vmid) AS subject, * FROM base.guest_1m" + _MINUTES)
    + (_UNION + "concat_ws('/', type, vmid) AS subject, " + _AS_ROLLUP + "FROM base.guest_samples" + _ROWS + _ENDING),
}
