"""The fleet at one moment, put together from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from proxmon.fleet import FleetSnapshot, HostSnapshot, Resolution, name_order
from proxmon.payload import Tier
from proxmon.samples import Sample
from storage.events import read_recorded
from storage.kept import newest_of, read_kept_samples
from storage.moments import from_store
from storage.reader import FOREVER, Found, Moment, Spans, find_newest, read_samples
from storage.rebuilt import rebuild_fast_samples, with_guests
from storage.registry import HostMoments, list_hosts, list_moments, list_scrubs
from storage.rollups import read_kept_since

Shown = tuple[Resolution, datetime | None]
FULLY: Shown = (Resolution.FULL, None)


def read_snapshot(cursor: DuckDBPyConnection, spans: Spans, moment: Moment | None) -> FleetSnapshot:
    """Return the fleet at a moment, or as it is when that is None."""
    at = moment.at if moment else None
    known = sorted(list_hosts(cursor, at), key=lambda host: name_order(host.name))
    ids = {host.id for host in known}
    spans = {key: span for key, span in spans.items() if key[0] in ids}
    read = _read_samples(cursor, spans, moment)
    samples = _by_host(read.found)
    until = moment or Moment(FOREVER)
    is_known = moment is None or moment.known_at != FOREVER
    moments, recorded = list_moments(cursor, at), read_recorded(cursor, at) if is_known else {}
    scrubs = list_scrubs(cursor, until.at, until.known_at)
    hosts = [
        HostSnapshot(
            host=host,
            samples=samples.get(host.id, {}),
            last_seen_at=read.seen.get(host.id),
            left_at=moments.get(host.id, HostMoments()).left_at,
            rotated_at=moments.get(host.id, HostMoments()).rotated_at,
            left_reason=moments.get(host.id, HostMoments()).left_reason,
            scrubs=scrubs.get(host.id, {}),
            recorded=recorded.get(host.id),
            resolution=read.shown.get(host.id, FULLY)[0],
            kept_at=read.shown.get(host.id, FULLY)[1],
        )
        for host in known
    ]
    return FleetSnapshot(at=at or datetime.now(UTC), is_live=at is None, hosts=tuple(hosts))


def _read_samples(cursor: DuckDBPyConnection, spans: Spans, moment: Moment | None) -> _Newest:
    """Return the newest sample of each host and tier, when each host was last heard of, and what that is made of."""
    read = _Newest()
    for tier in Tier:
        newest = find_newest(cursor, tier, spans, moment)
        for host_id, one in newest.items():
            read.seen[host_id] = max(one.received_at, read.seen.get(host_id, one.received_at))
        read.found |= read_samples(cursor, tier, newest, moment)
    if moment is not None:
        _stand_in(cursor, read, spans, moment)
    if moment is not None and moment.known_at == FOREVER:
        # Asked is what was so, not what was known: a sample then was heard when it was made.
        read.seen = {
            host_id: max(one.observed_at for (owner, _), one in read.found.items() if owner == host_id)
            for host_id, _ in read.found
        }
    return read


def _stand_in(cursor: DuckDBPyConnection, read: _Newest, spans: Spans, moment: Moment) -> None:
    """Put in what is left of the samples that were deleted since: those that were kept, and typed rows."""
    kept_since = read_kept_since(cursor)
    for tier in Tier:
        complete_since = kept_since.get(f"{tier}_samples")
        if complete_since is None:
            continue
        newest = {host_id: span.last_observed_at for (host_id, owner), span in spans.items() if owner is tier}
        # One that is older than what is complete may be a straggler.
        doubtful = [one for one in newest if read.is_before(one, tier, from_store(complete_since))]
        kept = read_kept_samples(cursor, tier, doubtful, moment) if doubtful else {}
        is_fast = tier is Tier.FAST and bool(doubtful)
        rebuilt = rebuild_fast_samples(cursor, doubtful, newest, moment) if is_fast else {}
        for host_id in doubtful:
            read.put(host_id, tier, kept.get((host_id, tier)), rebuilt.get(host_id))


@dataclass(slots=True)
class _Newest:
    """The newest samples, when each host was last heard of, and what its past is shown from."""

    found: Found = field(default_factory=dict[tuple[int, Tier], Sample])
    seen: dict[int, datetime] = field(default_factory=dict[int, datetime])
    shown: dict[int, Shown] = field(default_factory=dict[int, Shown])

    def is_before(self, host_id: int, tier: Tier, at: datetime) -> bool:
        """Tell whether a host's newest sample is older than a moment, or missing."""
        sample = self.found.get((host_id, tier))
        return sample is None or sample.observed_at < at

    def put(self, host_id: int, tier: Tier, kept: Sample | None, rebuilt: Sample | None) -> None:
        """Take what was observed last: the sample that came, the one that was kept, or the one made of rows."""
        best = newest_of(self.found.get((host_id, tier)), kept, rebuilt)
        if best is None:
            if tier is Tier.FAST:
                self.shown[host_id] = (Resolution.EVENTS, None)
            return
        if rebuilt is not None and best is rebuilt:
            best = with_guests(rebuilt, kept)
            self.shown[host_id] = (Resolution.ROWS, kept.observed_at if kept else None)
        elif rebuilt is None and best is kept:
            self.shown[host_id] = (Resolution.HOUR, best.observed_at)
        self.found[host_id, tier] = best
        self.seen[host_id] = max(best.received_at, self.seen.get(host_id, best.received_at))


def _by_host(samples: Mapping[tuple[int, Tier], Sample]) -> dict[int, dict[Tier, Sample]]:
    by_host: dict[int, dict[Tier, Sample]] = {}
    for (host_id, tier), sample in samples.items():
        by_host.setdefault(host_id, {})[tier] = sample
    return by_host
