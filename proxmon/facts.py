"""What a host's newest samples say that is no verdict: its guests, scans and agent, and what changed in that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from proxmon.events import Event, EventKind
from proxmon.fleet import HostSnapshot
from proxmon.payload import FastPayload, MediumPayload, Pool, Scan, SlowPayload, Tier
from proxmon.rules.base import whole
from proxmon.rules.words import plural, span
from proxmon.rules.zpools import of_pools
from proxmon.samples import Sample
from proxmon.scrubs import LONGEST_SECONDS, parse_scrub_end

# All of the sections that facts depend on: where that is the same, so are they.
FACT_READS: Mapping[tuple[Tier, str], Callable[[Any], object]] = {
    (Tier.FAST, "vms_runtime"): lambda section: section.vms and list(map(_GUEST, section.vms)),
    (Tier.FAST, "zfs_pools"): of_pools(attrgetter("name", "scan")),
    (Tier.MEDIUM, "vms_detail"): whole,
    (Tier.SLOW, "system_info"): whole,
}
_GUEST = attrgetter("type", "vmid", "name", "template")
SCANS = {"scrub": EventKind.SCRUB, "resilver": EventKind.RESILVER}
GuestKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ScanFact:
    """A pool's last scan: what it is, and since when it runs as far as that is known."""

    function: str
    state: str
    started_at: datetime | None
    end_at: str | None
    errors: int | None

    def goes_on(self, scan: Scan) -> bool:
        """Tell whether it is the same scan, further on or ended."""
        is_open = self.state in ("scanning", "paused")
        return self.function == scan.function and (is_open or self.end_at == scan.end_at)


@dataclass(frozen=True, slots=True)
class Facts:
    """The last of each fact that was known; what a sample could not tell stays as it was.

    ``guests`` holds names by type and vmid, None before the first complete list; ``addresses`` what is no link-local
    one. ``scans`` are by pool, None where a pool was never scanned. ``heard_at`` is when the newest sample of each tier
    was observed.
    """

    guests: Mapping[GuestKey, str] | None = None
    addresses: Mapping[GuestKey, frozenset[str]] = field(default_factory=dict[GuestKey, frozenset[str]])
    scans: Mapping[str, ScanFact | None] = field(default_factory=dict[str, ScanFact | None])
    agent_version: str = ""
    cluster: str | None = None
    heard_at: Mapping[Tier, datetime] = field(default_factory=dict[Tier, datetime])

    def is_told_by(self, host: HostSnapshot) -> bool:
        """Tell whether the host's samples are those that were read already."""
        return _moments(host) == self.heard_at

    def heard(self, host: HostSnapshot) -> Facts:
        """Return the facts after newer samples said the same."""
        return replace(self, heard_at=_moments(host))


def read_facts(before: Facts, host: HostSnapshot) -> Facts:
    """Return the facts after the host's newest samples were read."""
    newest = host.newest_sample
    return Facts(
        guests=_guests(before, host.samples.get(Tier.FAST)),
        addresses=_addresses(before, host.samples.get(Tier.MEDIUM)),
        scans=_scans(before, host.samples.get(Tier.FAST)),
        agent_version=(newest.agent_version if newest else "") or before.agent_version,
        cluster=_cluster(host.samples.get(Tier.SLOW)) or before.cluster,
        heard_at=_moments(host),
    )


def fact_events(before: Facts, after: Facts, host: HostSnapshot, at: datetime) -> Iterator[Event]:
    """Give what changed between two readings, each at its own time; of a first reading nothing is new."""
    fast, medium = (after.heard_at.get(tier, at) for tier in (Tier.FAST, Tier.MEDIUM))
    if before.agent_version and before.agent_version != after.agent_version:
        words = {"was": before.agent_version, "became": after.agent_version}
        yield _event(host, EventKind.AGENT, at, at, message="The agent is another version", **words)
    yield from _guest_events(before, after, host, fast, at)
    for key in before.addresses.keys() & after.addresses.keys():
        known, now = before.addresses[key], after.addresses[key]
        if known != now:
            words = {"was": ", ".join(sorted(known)), "became": ", ".join(sorted(now))}
            message = (after.guests or {}).get(key, "")
            yield _event(host, EventKind.GUEST_ADDRESS, medium, at, subject=_subject(key), message=message, **words)
    for pool in before.scans.keys() & after.scans.keys():
        yield from _scan_events(before, after, host, pool, at)


def _guest_events(before: Facts, after: Facts, host: HostSnapshot, when: datetime, at: datetime) -> Iterator[Event]:
    if before.guests is None or after.guests is None or before.guests is after.guests:
        return
    for key in before.guests.keys() - after.guests.keys():
        name = before.guests[key]
        yield _event(host, EventKind.GUEST_VANISHED, when, at, subject=_subject(key), was=name, message=name)
    for key in after.guests.keys() - before.guests.keys():
        name = after.guests[key]
        yield _event(host, EventKind.GUEST_APPEARED, when, at, subject=_subject(key), became=name, message=name)


def _scan_events(before: Facts, after: Facts, host: HostSnapshot, pool: str, at: datetime) -> Iterator[Event]:
    old, new = before.scans[pool], after.scans[pool]
    if new is None or new.function not in SCANS:
        return
    is_same = old is not None and (old.function, old.state, old.end_at) == (new.function, new.state, new.end_at)
    if is_same:
        return
    observed = after.heard_at.get(Tier.FAST, at)
    told = new.started_at if new.state == "scanning" else parse_scrub_end(new.end_at or "")
    # The moment that ZFS tells lies between the two samples, unless the clocks disagree.
    is_plausible = told is not None and before.heard_at.get(Tier.FAST, observed) <= told <= observed
    when = told if told is not None and is_plausible else observed
    known = old.state if old is not None and old.function == new.function else None
    started_at = new.started_at if new.state != "scanning" else None
    words: dict[str, Any] = {"subject": pool, "was": known, "became": new.state, "started_at": started_at}
    yield _event(host, SCANS[new.function], when, at, message=_scan_words(new, when), **words)


def _scan_words(scan: ScanFact, when: datetime) -> str:
    name = scan.function.capitalize()
    if scan.state == "scanning":
        return f"{name} started"
    lasted = "" if scan.started_at is None else f" after {span(max(0.0, (when - scan.started_at).total_seconds()))}"
    if scan.state != "finished":
        return f"{name} {scan.state}{lasted}"
    errors = (
        "" if scan.errors is None else f" with {plural(scan.errors, 'error')}" if scan.errors else " without errors"
    )
    return f"{name} finished{lasted}{errors}"


def _moments(host: HostSnapshot) -> dict[Tier, datetime]:
    return {tier: sample.observed_at for tier, sample in host.samples.items()}


def _event(host: HostSnapshot, kind: EventKind, when: datetime, at: datetime, **values: Any) -> Event:
    return Event(host.host.id, min(when, at), kind, host=host.host.name, recorded_at=at, **values)


def _subject(key: GuestKey) -> str:
    return f"{key[0]}/{key[1]}"


def _guests(before: Facts, sample: Sample | None) -> Mapping[GuestKey, str] | None:
    payload = sample.payload if sample else None
    section = payload.vms_runtime if isinstance(payload, FastPayload) else None
    if section is None or section.vms is None or section.error is not None or section.incomplete is not None:
        return before.guests
    guests = {(guest.type or "", guest.vmid): guest.name or str(guest.vmid) for guest in section.vms}
    return before.guests if guests == before.guests else guests


def _addresses(before: Facts, sample: Sample | None) -> Mapping[GuestKey, frozenset[str]]:
    payload = sample.payload if sample else None
    section = payload.vms_detail if isinstance(payload, MediumPayload) else None
    if section is None or section.vms is None or section.error is not None:
        return before.addresses
    told = {
        (guest.type or "", guest.vmid): frozenset(ip for ip in guest.ips or () if not ip.lower().startswith("fe80:"))
        for guest in section.vms
    }
    # A guest that is stopped has no address and has not changed it.
    return {
        key: told[key] or before.addresses.get(key, frozenset()) for key in told if told[key] or key in before.addresses
    }


def _scans(before: Facts, sample: Sample | None) -> Mapping[str, ScanFact | None]:
    payload = sample.payload if sample else None
    section = payload.zfs_pools if isinstance(payload, FastPayload) else None
    if section is None or section.pools is None or sample is None:
        return before.scans
    return {pool.name: _scan(before.scans, pool, sample) for pool in section.pools}


def _scan(before: Mapping[str, ScanFact | None], pool: Pool, sample: Sample) -> ScanFact | None:
    scan, known = pool.scan, before.get(pool.name)
    if scan is None or not scan.function or not scan.state:
        return None
    started_at = _told_start(scan)
    if started_at is None and known is not None and known.goes_on(scan):
        started_at = known.started_at
    elif started_at is None and scan.state == "scanning" and pool.name in before:
        started_at = sample.observed_at
    return ScanFact(scan.function, scan.state, started_at, scan.end_at, scan.errors)


def _told_start(scan: Scan) -> datetime | None:
    """Return when a scan began by what the host says: its start while it runs, its duration once it has finished."""
    if scan.start_at:
        return parse_scrub_end(scan.start_at)
    ended_at = parse_scrub_end(scan.end_at) if scan.end_at else None
    if ended_at is None or scan.duration_seconds is None or scan.duration_seconds > LONGEST_SECONDS:
        return None
    return ended_at - timedelta(seconds=scan.duration_seconds)


def _cluster(sample: Sample | None) -> str | None:
    payload = sample.payload if sample else None
    system = payload.system_info if isinstance(payload, SlowPayload) else None
    return system.cluster if system else None
