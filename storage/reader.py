"""Reading samples back: rows to samples, and the newest ones of each host at a moment."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from duckdb import DuckDBPyConnection

from proxmon.payload import Tier
from proxmon.samples import Sample, read_payload
from storage.ledger import Span
from storage.moments import from_store, to_store

log = logging.getLogger(__name__)

_COLUMNS = """ sample_id, host_id, collected_at, received_at, observed_at, interval_seconds, clock_offset_seconds,
    agent_version, payload """
_AFTER = " WHERE sample_id > (SELECT sample_id FROM base.typed_progress) "
_AFTER_PROGRESS = (
    ("SELECT 'fast'," + _COLUMNS + "FROM base.fast_samples" + _AFTER)
    + ("UNION ALL SELECT 'medium'," + _COLUMNS + "FROM base.medium_samples" + _AFTER)
    + ("UNION ALL SELECT 'slow'," + _COLUMNS + "FROM base.slow_samples" + _AFTER)
    + "ORDER BY sample_id LIMIT ?"
)
# The span lets zone maps skip row groups; the join picks the rows, and payloads are unpacked for those alone.
_ROWS_AT = {
    Tier.FAST: """
    SELECT 'fast', sample_id, host_id, collected_at, received_at, observed_at, interval_seconds, clock_offset_seconds,
        agent_version, payload FROM base.fast_samples
    JOIN (SELECT unnest($1::INTEGER[]) AS host_id, unnest($2::TIMESTAMP[]) AS observed_at) AS wanted
    USING (host_id, observed_at) WHERE observed_at BETWEEN $3 AND $4 ORDER BY sample_id""",
    Tier.MEDIUM: """
    SELECT 'medium', sample_id, host_id, collected_at, received_at, observed_at, interval_seconds, clock_offset_seconds,
        agent_version, payload FROM base.medium_samples
    JOIN (SELECT unnest($1::INTEGER[]) AS host_id, unnest($2::TIMESTAMP[]) AS observed_at) AS wanted
    USING (host_id, observed_at) WHERE observed_at BETWEEN $3 AND $4 ORDER BY sample_id""",
    Tier.SLOW: """
    SELECT 'slow', sample_id, host_id, collected_at, received_at, observed_at, interval_seconds, clock_offset_seconds,
        agent_version, payload FROM base.slow_samples
    JOIN (SELECT unnest($1::INTEGER[]) AS host_id, unnest($2::TIMESTAMP[]) AS observed_at) AS wanted
    USING (host_id, observed_at) WHERE observed_at BETWEEN $3 AND $4 ORDER BY sample_id""",
}
_LAST_BEFORE = {
    Tier.FAST: """
    SELECT host_id, max(observed_at) FROM base.fast_samples
    WHERE observed_at > ? AND observed_at <= ? GROUP BY host_id""",
    Tier.MEDIUM: """
    SELECT host_id, max(observed_at) FROM base.medium_samples
    WHERE observed_at > ? AND observed_at <= ? GROUP BY host_id""",
    Tier.SLOW: """
    SELECT host_id, max(observed_at) FROM base.slow_samples
    WHERE observed_at > ? AND observed_at <= ? GROUP BY host_id""",
}
# How far back to look for a host's newest sample, first where nearly all are, then for what is left.
_LOOK_BACK = {
    Tier.FAST: (timedelta(minutes=5), timedelta(hours=6), None),
    Tier.MEDIUM: (timedelta(minutes=15), timedelta(days=1), None),
    Tier.SLOW: (timedelta(hours=3), timedelta(days=7), None),
}

Moments = dict[int, datetime]
Spans = Mapping[tuple[int, Tier], Span]


def newest_samples(cursor: DuckDBPyConnection, spans: Spans, at: datetime | None) -> dict[tuple[int, Tier], Sample]:
    """Return the newest sample of each host and tier at a moment, by when it was observed; of all when it is None."""
    found: dict[tuple[int, Tier], Sample] = {}
    for tier in Tier:
        moments = _moments(cursor, tier, {key[0]: span for key, span in spans.items() if key[1] is tier}, at)
        for sample in _samples_at(cursor, tier, moments):
            found[sample.host_id, tier] = sample
    return found


def read_samples_after_progress(connection: DuckDBPyConnection, limit: int) -> list[tuple[int, Sample | None]]:
    """List the first samples that the typed tables do not have yet, by number; None for one that cannot be read."""
    return [(row[1], _sample(row)) for row in connection.execute(_AFTER_PROGRESS, [limit]).fetchall()]


def _moments(cursor: DuckDBPyConnection, tier: Tier, spans: Mapping[int, Span], at: datetime | None) -> Moments:
    """Return when each host's newest sample was observed."""
    if at is None:
        return {host_id: span.last_observed_at for host_id, span in spans.items()}
    # Most hosts need no search: their last sample was before that moment, or their first one after it.
    moments = {host_id: span.last_observed_at for host_id, span in spans.items() if span.last_observed_at <= at}
    missing = {host_id: span for host_id, span in spans.items() if span.first_observed_at <= at < span.last_observed_at}
    for look_back in _LOOK_BACK[tier]:
        if not missing:
            break
        since = at - look_back if look_back else min(span.first_observed_at for span in missing.values())
        rows = cursor.execute(
            _LAST_BEFORE[tier], [to_store(since) - timedelta(microseconds=1), to_store(at)]
        ).fetchall()
        moments |= {host_id: from_store(last) for host_id, last in rows if missing.pop(host_id, None)}
    return moments


def _samples_at(cursor: DuckDBPyConnection, tier: Tier, moments: Moments) -> Iterable[Sample]:
    """Give the samples of these moments; of two of one host at the same moment, the one stored later comes last."""
    newest = max(moments.values(), default=None)
    if newest is None:
        return
    # Hosts that fell silent long ago are asked for apart, or their span would make every row group be read.
    recent = {host_id: at for host_id, at in moments.items() if newest - at <= timedelta(hours=2)}
    for chosen in (recent, {host_id: at for host_id, at in moments.items() if host_id not in recent}):
        for row in _rows_at(cursor, tier, chosen):
            sample = _sample(row)
            if sample is not None:
                yield sample


def _rows_at(cursor: DuckDBPyConnection, tier: Tier, moments: Moments) -> Sequence[tuple[Any, ...]]:
    if not moments:
        return []
    times = [to_store(at) for at in moments.values()]
    return cursor.execute(_ROWS_AT[tier], [list(moments), times, min(times), max(times)]).fetchall()


def _sample(row: tuple[Any, ...]) -> Sample | None:
    tier, sample_id, host_id, collected, received, observed, interval, offset, agent_version, payload = row
    raw = payload.encode()
    try:
        typed = read_payload(Tier(tier), raw)
    except msgspec.MsgspecError:
        # It was read when it came, so the typed form has changed since: the other hosts must not suffer.
        log.exception("the payload of sample %d cannot be read any more", sample_id)
        return None
    return Sample(
        host_id=host_id,
        tier=Tier(tier),
        collected_at=from_store(collected),
        received_at=from_store(received),
        observed_at=from_store(observed),
        fresh_at=from_store(observed),
        interval_seconds=interval,
        clock_offset_seconds=offset,
        agent_version=agent_version,
        raw=raw,
        payload=typed,
    )
