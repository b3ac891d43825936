"""Reading samples back: rows to samples, and the newest ones of each host at a moment."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from duckdb import DuckDBPyConnection

from proxmon.payload import Tier
from proxmon.samples import UNREADABLE, Sample, fresh_moment, read_other_sections, read_payload
from storage.ledger import Span
from storage.moments import from_store, to_store

log = logging.getLogger(__name__)

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

_COLUMNS = """ sample_id, host_id, collected_at, received_at, observed_at, interval_seconds, clock_offset_seconds,
    agent_version, payload """
_AFTER = " WHERE sample_id > (SELECT sample_id FROM base.typed_progress) "
_AFTER_PROGRESS = (
    ("SELECT 'fast'," + _COLUMNS + "FROM base.fast_samples" + _AFTER)
    + ("UNION ALL SELECT 'medium'," + _COLUMNS + "FROM base.medium_samples" + _AFTER)
    + ("UNION ALL SELECT 'slow'," + _COLUMNS + "FROM base.slow_samples" + _AFTER)
    + "ORDER BY sample_id LIMIT ?"
)
_SINCE = " WHERE received_at > $1 "
_RECEIVED_SINCE = (
    ("SELECT 'fast'," + _COLUMNS + "FROM base.fast_samples" + _SINCE)
    + ("UNION ALL SELECT 'medium'," + _COLUMNS + "FROM base.medium_samples" + _SINCE)
    + ("UNION ALL SELECT 'slow'," + _COLUMNS + "FROM base.slow_samples" + _SINCE)
    + "ORDER BY sample_id"
)
# The span lets zone maps skip row groups; the join picks the rows, and payloads are unpacked for those alone.
_ROWS_AT = {
    Tier.FAST: """
    SELECT 'fast', sample_id, host_id, collected_at, received_at, observed_at, interval_seconds, clock_offset_seconds,
        agent_version, payload FROM base.fast_samples
    JOIN (SELECT unnest($1::INTEGER[]) AS host_id, unnest($2::TIMESTAMP[]) AS observed_at) AS wanted
    USING (host_id, observed_at) WHERE observed_at BETWEEN $3 AND $4 AND received_at <= $5 ORDER BY sample_id""",
    Tier.MEDIUM: """
    SELECT 'medium', sample_id, host_id, collected_at, received_at, observed_at, interval_seconds, clock_offset_seconds,
        agent_version, payload FROM base.medium_samples
    JOIN (SELECT unnest($1::INTEGER[]) AS host_id, unnest($2::TIMESTAMP[]) AS observed_at) AS wanted
    USING (host_id, observed_at) WHERE observed_at BETWEEN $3 AND $4 AND received_at <= $5 ORDER BY sample_id""",
    Tier.SLOW: """
    SELECT 'slow', sample_id, host_id, collected_at, received_at, observed_at, interval_seconds, clock_offset_seconds,
        agent_version, payload FROM base.slow_samples
    JOIN (SELECT unnest($1::INTEGER[]) AS host_id, unnest($2::TIMESTAMP[]) AS observed_at) AS wanted
    USING (host_id, observed_at) WHERE observed_at BETWEEN $3 AND $4 AND received_at <= $5 ORDER BY sample_id""",
}
# A host is found once one of its samples was observed since then. It may have been heard of last by a late one that was
# observed before, and no sample is received before it was observed.
_LAST_BEFORE = {
    Tier.FAST: """
    SELECT host_id, max(observed_at), max(received_at) FROM base.fast_samples
    WHERE received_at > $1 AND observed_at <= $2 AND received_at <= $3 GROUP BY host_id HAVING max(observed_at) > $1""",
    Tier.MEDIUM: """
    SELECT host_id, max(observed_at), max(received_at) FROM base.medium_samples
    WHERE received_at > $1 AND observed_at <= $2 AND received_at <= $3 GROUP BY host_id HAVING max(observed_at) > $1""",
    Tier.SLOW: """
    SELECT host_id, max(observed_at), max(received_at) FROM base.slow_samples
    WHERE received_at > $1 AND observed_at <= $2 AND received_at <= $3 GROUP BY host_id HAVING max(observed_at) > $1""",
}
# How far back to look for a host's newest sample, first where nearly all are, then for what is left.
_LOOK_BACK = {
    Tier.FAST: (timedelta(minutes=5), timedelta(hours=6), None),
    Tier.MEDIUM: (timedelta(minutes=15), timedelta(days=1), None),
    Tier.SLOW: (timedelta(hours=3), timedelta(days=7), None),
}

Spans = Mapping[tuple[int, Tier], Span]
Found = dict[tuple[int, Tier], Sample]


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the past: asked for is what was observed until then, of what was received until ``known_at``."""

    at: datetime
    known_at: datetime = FOREVER


@dataclass(frozen=True, slots=True)
class Newest:
    """When a host's newest sample of a tier was observed, and when it was last heard of."""

    observed_at: datetime
    received_at: datetime


Moments = dict[int, Newest]


def find_newest(cursor: DuckDBPyConnection, tier: Tier, spans: Spans, moment: Moment | None) -> Moments:
    """Return when each host's newest sample of a tier was observed, at a moment or, when that is None, of all."""
    mine = {key[0]: span for key, span in spans.items() if key[1] is tier}
    if moment is None:
        return {host_id: Newest(span.last_observed_at, span.last_received_at) for host_id, span in mine.items()}
    # Most hosts need no search: their last sample was before that moment, or their first one after it.
    ended = {host_id: span for host_id, span in mine.items() if _is_over(span, moment)}
    found = {host_id: Newest(span.last_observed_at, span.last_received_at) for host_id, span in ended.items()}
    missing = {
        host_id: span for host_id, span in mine.items() if host_id not in ended and span.first_observed_at <= moment.at
    }
    until = [to_store(moment.at), to_store(moment.known_at)]
    for look_back in _LOOK_BACK[tier]:
        if not missing:
            break
        since = moment.at - look_back if look_back else min(span.first_observed_at for span in missing.values())
        rows = cursor.execute(_LAST_BEFORE[tier], [to_store(since) - timedelta(microseconds=1), *until]).fetchall()
        found |= {
            host_id: Newest(*map(from_store, moments)) for host_id, *moments in rows if missing.pop(host_id, None)
        }
    return found


def _is_over(span: Span, moment: Moment) -> bool:
    return span.last_observed_at <= moment.at and span.last_received_at <= moment.known_at


def read_samples(cursor: DuckDBPyConnection, tier: Tier, newest: Moments, moment: Moment | None) -> Found:
    """Return the samples that were observed at these moments; of two at the same one, that which was stored later."""
    moments = {host_id: one.observed_at for host_id, one in newest.items()}
    known_at = moment.known_at if moment else FOREVER
    samples = _samples_at(cursor, tier, moments, known_at)
    return {(sample.host_id, tier): sample for sample in samples}


def read_received_since(cursor: DuckDBPyConnection, at: datetime) -> list[Sample]:
    """List the samples that were received after a moment, in the order in which they were stored."""
    return list(read_rows(cursor.execute(_RECEIVED_SINCE, [to_store(at)]).fetchall()))


def read_rows(rows: Iterable[tuple[Any, ...]]) -> Iterator[Sample]:
    """Give the samples of rows; one that cannot be read any more is left out and logged."""
    for row in rows:
        sample = _sample(row)
        if sample is not None:
            yield sample


def read_samples_after_progress(connection: DuckDBPyConnection, limit: int) -> list[tuple[int, Sample | None]]:
    """List the first samples that the typed tables do not have yet, by number; None for one that cannot be read."""
    return [(row[1], _sample(row)) for row in connection.execute(_AFTER_PROGRESS, [limit]).fetchall()]


def _samples_at(
    cursor: DuckDBPyConnection, tier: Tier, moments: Mapping[int, datetime], known_at: datetime
) -> Iterable[Sample]:
    """Give the samples of these moments; of two of one host at the same moment, the one stored later comes last."""
    newest = max(moments.values(), default=None)
    if newest is None:
        return
    # Hosts that fell silent long ago are asked for apart, or their span would make every row group be read.
    recent = {host_id: at for host_id, at in moments.items() if newest - at <= timedelta(hours=2)}
    for chosen in (recent, {host_id: at for host_id, at in moments.items() if host_id not in recent}):
        yield from read_rows(_rows_at(cursor, tier, chosen, known_at))


def _rows_at(
    cursor: DuckDBPyConnection, tier: Tier, moments: Mapping[int, datetime], known_at: datetime
) -> Sequence[tuple[Any, ...]]:
    if not moments:
        return []
    times = [to_store(at) for at in moments.values()]
    chosen = [list(moments), times, min(times), max(times), to_store(known_at)]
    return cursor.execute(_ROWS_AT[tier], chosen).fetchall()


def _sample(row: tuple[Any, ...]) -> Sample | None:
    tier, sample_id, host_id, collected, received, observed, interval, offset, agent_version, payload = row
    raw = payload.encode()
    try:
        typed = read_payload(Tier(tier), raw)
    except UNREADABLE:
        # It was read when it came, so what we read has changed since: the other hosts must not suffer.
        log.exception("the payload of sample %d cannot be read any more", sample_id)
        return None
    collected_at, received_at, observed_at = from_store(collected), from_store(received), from_store(observed)
    return Sample(
        host_id=host_id,
        tier=Tier(tier),
        collected_at=collected_at,
        received_at=received_at,
        observed_at=observed_at,
        fresh_at=fresh_moment(collected_at, received_at, observed_at, offset),
        interval_seconds=interval,
        clock_offset_seconds=offset,
        agent_version=agent_version,
        raw=raw,
        payload=typed,
        other_sections=read_other_sections(Tier(tier), raw),
    )
