"""The samples that outlive the others: the last of each hour, and what was known when an event was recorded.

They are copied in the transaction that deletes the rest. Between two events no verdict changed, so the newest of them
at any moment tells the verdicts of that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from duckdb import DuckDBPyConnection

from proxmon.payload import Tier
from proxmon.samples import Sample
from storage.moments import to_store
from storage.reader import Found, Moment, read_rows

# A payload is unpacked with the 2,048 around it, so those that lie this close together are copied at once.
NEAR_SAMPLES = 4096
LOOK_BACK = (timedelta(minutes=65), timedelta(hours=25), None)
_HOUR = timedelta(hours=1)
_SPAN = "SELECT min(observed_at), max(observed_at) FROM base.{tier}_samples {old} AND rowid <= $position"
# A sample that came late was not known in its hour: the last of those that were is kept beside it.
_CHOOSE = """
WITH hours AS (
    SELECT sample_id, host_id, observed_at, received_at, rowid AS position,
        time_bucket(INTERVAL 1 HOUR, observed_at) AS hour
    FROM base.{tier}_samples WHERE observed_at >= $since AND observed_at < $until
), chosen AS (
    SELECT sample_id FROM hours
    QUALIFY row_number() OVER (
        PARTITION BY host_id, hour, received_at < hour + INTERVAL 1 HOUR ORDER BY observed_at DESC, sample_id DESC
    ) = 1
    UNION SELECT hours.sample_id FROM base.events ASOF JOIN hours
        ON events.host_id = hours.host_id AND events.recorded_at >= hours.received_at
    WHERE events.recorded_at >= $since AND events.recorded_at < $until
)
SELECT sample_id FROM base.{tier}_samples SEMI JOIN chosen USING (sample_id) {old}
    AND rowid <= $position AND observed_at >= $since ORDER BY sample_id
"""
_COPY = """
INSERT INTO base.kept_samples SELECT sample_id, host_id, '{tier}', collected_at, received_at, observed_at,
    interval_seconds, clock_offset_seconds, agent_version, payload
FROM base.{tier}_samples SEMI JOIN (SELECT unnest($ids::BIGINT[]) AS sample_id) AS chosen USING (sample_id)
WHERE sample_id BETWEEN $first AND $last AND observed_at >= $since AND observed_at < $until ORDER BY sample_id
"""
_LAST = """
SELECT host_id, max(observed_at) FROM base.kept_samples
WHERE tier = $tier AND observed_at > $since AND observed_at <= $at AND received_at <= $known_at
AND host_id IN (SELECT unnest($hosts::INTEGER[])) GROUP BY host_id
"""
_ROWS = """
SELECT tier, sample_id, host_id, collected_at, received_at, observed_at, interval_seconds, clock_offset_seconds,
    agent_version, payload FROM base.kept_samples
JOIN (SELECT unnest($hosts::INTEGER[]) AS host_id, unnest($moments::TIMESTAMP[]) AS observed_at) AS wanted
USING (host_id, observed_at)
WHERE tier = $tier AND observed_at BETWEEN $since AND $until AND received_at <= $known_at ORDER BY sample_id
"""


@dataclass(frozen=True, slots=True)
class Bite:
    """The samples of a tier that are about to be deleted: which are old, with the parameters of that condition."""

    tier: Tier
    old: str
    chosen: Mapping[str, object]
    position: int


def keep_samples(connection: DuckDBPyConnection, bite: Bite) -> None:
    """Copy what is kept of the samples that are deleted next."""
    names = {"tier": bite.tier.value, "old": bite.old}
    chosen = {**bite.chosen, "position": bite.position}
    row = connection.execute(_SPAN.format(**names), chosen).fetchone()
    if row is None or row[0] is None:
        return
    span = {"since": _hour(row[0]), "until": _hour(row[1]) + _HOUR}
    ids = [sample_id for (sample_id,) in connection.execute(_CHOOSE.format(**names), chosen | span).fetchall()]
    for near in _runs(ids):
        connection.execute(_COPY.format(**names), {"ids": near, "first": near[0], "last": near[-1], **span})


def read_kept_samples(cursor: DuckDBPyConnection, tier: Tier, host_ids: Iterable[int], moment: Moment) -> Found:
    """Return the newest sample of a tier that was kept of each host's past at a moment."""
    missing, moments = set(host_ids), dict[int, datetime]()
    until = {"tier": tier.value, "at": to_store(moment.at), "known_at": to_store(moment.known_at)}
    for look_back in LOOK_BACK:
        if missing:
            since = to_store(moment.at - look_back) if look_back else datetime.min
            chosen = {**until, "since": since, "hosts": list(missing)}
            moments |= dict(cursor.execute(_LAST, chosen).fetchall())
            missing -= moments.keys()
    found: Found = {}
    for near in _near(moments):
        times = list(near.values())
        chosen = {"tier": tier.value, "known_at": until["known_at"], "hosts": list(near), "moments": times}
        rows = cursor.execute(_ROWS, chosen | {"since": min(times), "until": max(times)})
        found |= {(sample.host_id, tier): sample for sample in read_rows(rows.fetchall())}
    return found


def newest_of(*samples: Sample | None) -> Sample | None:
    """Return the sample that was observed last; of two at the same moment the first."""
    return max((one for one in samples if one), key=lambda sample: sample.observed_at, default=None)


def _near(moments: Mapping[int, datetime]) -> Iterator[dict[int, datetime]]:
    """Give hosts whose samples lie in the same hours together: one that fell silent must not widen the others' span."""
    newest = max(moments.values(), default=datetime.min)
    recent = {host_id: at for host_id, at in moments.items() if newest - at <= 2 * _HOUR}
    rest = {host_id: at for host_id, at in moments.items() if host_id not in recent}
    yield from (near for near in (recent, rest) if near)


def _runs(ids: Sequence[int]) -> Iterator[list[int]]:
    """Cut sorted numbers where the next one is far away."""
    run: list[int] = []
    for sample_id in ids:
        if run and sample_id - run[-1] > NEAR_SAMPLES:
            yield run
            run = []
        run.append(sample_id)
    if run:
        yield run


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
