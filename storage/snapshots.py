"""The fleet at one moment, put together from the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from proxmon.fleet import FleetSnapshot, HostSnapshot, name_order
from proxmon.payload import Tier
from proxmon.samples import Sample
from storage.events import read_recorded
from storage.reader import FOREVER, Found, Moment, Spans, find_newest, read_samples
from storage.rebuilt import rebuild_fast_samples
from storage.registry import HostMoments, list_hosts, list_moments, list_scrubs
from storage.rollups import read_kept_since


def read_snapshot(cursor: DuckDBPyConnection, spans: Spans, moment: Moment | None) -> FleetSnapshot:
    """Return the fleet at a moment, or as it is when that is None."""
    at = moment.at if moment else None
    known = sorted(list_hosts(cursor, at), key=lambda host: name_order(host.name))
    ids = {host.id for host in known}
    spans = {key: span for key, span in spans.items() if key[0] in ids}
    found, seen = _read_samples(cursor, spans, moment)
    samples = _by_host(found)
    until = moment or Moment(FOREVER)
    is_known = moment is None or moment.known_at != FOREVER
    moments, recorded = list_moments(cursor, at), read_recorded(cursor, at) if is_known else {}
    scrubs: dict[int, dict[str, datetime]] = {}
    for host_id, pool, ended_at in list_scrubs(cursor, until.at, until.known_at):
        scrubs.setdefault(host_id, {})[pool] = ended_at
    hosts = [
        HostSnapshot(
            host=host,
            samples=samples.get(host.id, {}),
            last_seen_at=seen.get(host.id),
            left_at=moments.get(host.id, HostMoments()).left_at,
            rotated_at=moments.get(host.id, HostMoments()).rotated_at,
            left_reason=moments.get(host.id, HostMoments()).left_reason,
            last_scrubs=scrubs.get(host.id, {}),
            recorded=recorded.get(host.id),
        )
        for host in known
    ]
    return FleetSnapshot(at=at or datetime.now(UTC), is_live=at is None, hosts=tuple(hosts))


def _read_samples(cursor: DuckDBPyConnection, spans: Spans, moment: Moment | None) -> tuple[Found, dict[int, datetime]]:
    """Return the newest sample of each host and tier, and when each host was last heard of."""
    found: Found = {}
    seen: dict[int, datetime] = {}
    for tier in Tier:
        newest = find_newest(cursor, tier, spans, moment)
        for host_id, one in newest.items():
            seen[host_id] = max(one.received_at, seen.get(host_id, one.received_at))
        found |= read_samples(cursor, tier, newest, moment)
    if moment is not None and "fast_samples" in read_kept_since(cursor):
        # Payloads of fast samples are the first to go; a host of which one is there has no newer row either.
        fast = {host_id: span.last_observed_at for (host_id, tier), span in spans.items() if tier is Tier.FAST}
        missing = [host_id for host_id in fast if (host_id, Tier.FAST) not in found]
        for host_id, sample in (rebuild_fast_samples(cursor, missing, fast, moment) if missing else {}).items():
            found[host_id, Tier.FAST] = sample
            seen[host_id] = max(sample.received_at, seen.get(host_id, sample.received_at))
    if moment is not None and moment.known_at == FOREVER:
        # Asked is what was so, not what was known: a sample then was heard when it was made.
        seen = {
            host_id: max(one.observed_at for (owner, _), one in found.items() if owner == host_id)
            for host_id, _ in found
        }
    return found, seen


def _by_host(samples: Mapping[tuple[int, Tier], Sample]) -> dict[int, dict[Tier, Sample]]:
    by_host: dict[int, dict[Tier, Sample]] = {}
    for (host_id, tier), sample in samples.items():
        by_host.setdefault(host_id, {})[tier] = sample
    return by_host
