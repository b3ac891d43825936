"""The fleet at one moment, put together from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from proxmon.fleet import FleetSnapshot, Host, HostSnapshot, name_order
from proxmon.payload import Tier
from proxmon.samples import Sample
from storage.ledger import Span
from storage.reader import Spans, newest_samples
from storage.rebuilt import rebuild_fast_samples
from storage.registry import HostMoments, list_hosts, list_moments, list_scrubs
from storage.rollups import read_kept_since


def read_snapshot(cursor: DuckDBPyConnection, spans: Spans, at: datetime | None) -> FleetSnapshot:
    """Return the fleet at a moment, or as it is when that is None."""
    known = sorted(list_hosts(cursor, at), key=lambda host: name_order(host.name))
    ids = {host.id for host in known}
    spans = {key: span for key, span in spans.items() if key[0] in ids}
    found = newest_samples(cursor, spans, at)
    if at is not None:
        # Payloads of fast samples are the first to go; a host of which one is there has no newer row either.
        missing = [host.id for host in known if (host.id, Tier.FAST) not in found]
        found |= _rebuilt(cursor, spans, missing, at)
    samples = _by_host(found)
    moments = list_moments(cursor, at)
    scrubs: dict[int, dict[str, datetime]] = {}
    for host_id, pool, ended_at in list_scrubs(cursor, at):
        scrubs.setdefault(host_id, {})[pool] = ended_at
    hosts = [
        _host(
            host,
            samples.get(host.id, {}),
            _seen_at(host.id, samples.get(host.id, {}), spans, at),
            moments.get(host.id, HostMoments()),
            scrubs.get(host.id, {}),
        )
        for host in known
    ]
    return FleetSnapshot(at=at or datetime.now(UTC), is_live=at is None, hosts=tuple(hosts))


def _rebuilt(
    cursor: DuckDBPyConnection, spans: Spans, host_ids: Sequence[int], at: datetime
) -> dict[tuple[int, Tier], Sample]:
    if not host_ids or "fast_samples" not in read_kept_since(cursor):
        return {}
    newest = {host_id: span.last_observed_at for (host_id, tier), span in spans.items() if tier is Tier.FAST}
    samples = rebuild_fast_samples(cursor, host_ids, newest, at)
    return {(host_id, Tier.FAST): sample for host_id, sample in samples.items()}


def _by_host(samples: Mapping[tuple[int, Tier], Sample]) -> dict[int, dict[Tier, Sample]]:
    by_host: dict[int, dict[Tier, Sample]] = {}
    for (host_id, tier), sample in samples.items():
        by_host.setdefault(host_id, {})[tier] = sample
    return by_host


def _seen_at(host_id: int, samples: Mapping[Tier, Sample], spans: Spans, at: datetime | None) -> datetime | None:
    if at is not None:
        return max((sample.observed_at for sample in samples.values()), default=None)
    found = (spans.get((host_id, tier)) for tier in Tier)
    received = (span.last_received_at for span in found if isinstance(span, Span))
    return max(received, default=None)


def _host(
    host: Host,
    samples: Mapping[Tier, Sample],
    seen_at: datetime | None,
    moments: HostMoments,
    scrubs: Mapping[str, datetime],
) -> HostSnapshot:
    return HostSnapshot(
        host=host,
        samples=samples,
        last_seen_at=seen_at,
        left_at=moments.left_at,
        rotated_at=moments.rotated_at,
        left_reason=moments.left_reason,
        last_scrubs=scrubs,
    )
