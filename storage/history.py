"""The samples of a span of the past, for a rehearsal: read in windows, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from duckdb import DuckDBPyConnection

from proxmon.history import Goodbye, History, HistoryRequest
from proxmon.samples import Sample
from storage.moments import from_store, to_store
from storage.reader import read_rows
from storage.registry import list_scrubs

_SPAN = "received_at >= $since AND received_at < $until"
_ALL = f"""
SELECT 'fast' AS tier, * FROM base.fast_samples WHERE {_SPAN}
UNION ALL SELECT 'medium', * FROM base.medium_samples WHERE {_SPAN}
UNION ALL SELECT 'slow', * FROM base.slow_samples WHERE {_SPAN}
UNION ALL BY NAME SELECT * FROM base.kept_samples WHERE {_SPAN}
"""  # noqa: S608 - a constant of this module
_COUNT = f"""
SELECT max(samples) FROM (SELECT tier, count(*) AS samples FROM ({_ALL}) GROUP BY tier)
"""  # noqa: S608
# One sample for each host, tier and step; payloads are unpacked for these alone.
_CHOSEN = f"""
SELECT tier, sample_id, host_id, collected_at, received_at, observed_at, interval_seconds, clock_offset_seconds,
    agent_version, payload FROM ({_ALL})
WHERE $step = 0 OR sample_id IN (
    SELECT min(sample_id) FROM ({_ALL}) GROUP BY host_id, tier, floor(epoch(received_at) / greatest($step, 1)))
ORDER BY received_at, sample_id
"""  # noqa: S608
_OFFLINE = """
SELECT host_id, coalesce(started_at, happened_at) FROM base.events
WHERE kind = 'offline' AND happened_at >= $since AND happened_at < $until ORDER BY happened_at
"""
_GOODBYES = """
SELECT happened_at, host_id, detail FROM base.host_events
WHERE kind = 'goodbye' AND happened_at >= $since AND happened_at < $until ORDER BY happened_at
"""
WINDOW_SAMPLES = 2_000  # some 20 MB of payloads


def read_history(cursor: DuckDBPyConnection, request: HistoryRequest) -> History:
    """Return the samples of a span; they are read while they are taken."""
    span = {"since": to_store(request.since), "until": to_store(request.until)}
    counted = cursor.execute(_COUNT, span).fetchone()
    count = counted[0] if counted and counted[0] else 0
    seconds = (request.until - request.since).total_seconds()
    hosts = len(cursor.execute(f"SELECT DISTINCT host_id FROM ({_ALL})", span).fetchall())  # noqa: S608
    step = 0.0 if count <= request.budget else float(int(seconds * hosts / request.budget) + 1)
    offline: dict[int, list[datetime]] = {}
    for host_id, at in cursor.execute(_OFFLINE, span).fetchall():
        offline.setdefault(host_id, []).append(from_store(at))
    goodbyes = [Goodbye(from_store(at), *rest) for at, *rest in cursor.execute(_GOODBYES, span).fetchall()]
    full = cursor.execute("SELECT min(received_at) FROM base.fast_samples").fetchone()
    full_since = from_store(full[0]) if full and full[0] else None
    windows = max(1, min(count, request.budget) // WINDOW_SAMPLES)
    scrubs = list_scrubs(cursor, request.since, request.since)
    samples = _read(cursor, request, timedelta(seconds=seconds / windows), step)
    return History(samples, step, offline, goodbyes, full_since, scrubs)


def _read(cursor: DuckDBPyConnection, request: HistoryRequest, window: timedelta, step: float) -> Iterator[Sample]:
    since = request.since
    while since < request.until:
        until = min(request.until, since + window)
        rows = cursor.execute(_CHOSEN, {"since": to_store(since), "until": to_store(until), "step": step}).fetchall()
        yield from read_rows(rows)
        since = until
