"""The search over all guests, by name, vmid and IP address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from proxmon.board import JudgedHost
from proxmon.findings import Status
from proxmon.fleet import HostSnapshot, name_order
from proxmon.payload import FastPayload, GuestDetail, GuestRuntime, MediumPayload, Tier

Key = tuple[str, int]
Listed = TypeVar("Listed", GuestRuntime, GuestDetail)


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest of a host: its newest run state with its newest known addresses.

    ``ips`` is None where they are not known, which is not the same as having none.
    ``run_state`` is in the source's spelling; None on a host that is offline, where nothing is known of it.
    """

    host_id: int
    host: str
    vmid: int
    type: str
    name: str
    run_state: str | None
    ips: tuple[str, ...] | None = None
    macs: tuple[str, ...] | None = None
    cpu_percent: float | None = None
    mem_bytes: float | None = None
    maxmem_bytes: float | None = None
    uptime_seconds: float | None = None
    tags: tuple[str, ...] = ()
    lock: str | None = None
    is_template: bool = False

    @property
    def key(self) -> tuple[int, str, int]:
        """Return what is unique for a guest in the fleet."""
        return (self.host_id, self.type, self.vmid)

    def matches(self, folded: str) -> bool:
        """Tell whether name, vmid or an IP address contains the case-folded text."""
        fields = (self.name.casefold(), str(self.vmid), *(ip.casefold() for ip in self.ips or ()))
        return any(folded in field for field in fields)


def list_guests(judged: JudgedHost) -> list[Guest]:
    """List the guests of a host by vmid.

    The fast tier says which guests there are; those of the medium tier are listed where it does not say.
    """
    snapshot, is_offline = judged.snapshot, judged.status.status is Status.OFFLINE
    listed, told = _runtimes(snapshot), tuple(_details(snapshot))
    details, runtimes = _by_key(told, listed or ()), _by_key(listed or (), told)
    keys = sorted(details if listed is None else runtimes, key=lambda key: (key[1], key[0]))
    return [_guest(snapshot, key, runtimes.get(key), details.get(key), is_offline) for key in keys]


def count_guests(judged: JudgedHost) -> tuple[int, int] | None:
    """Return how many guests of a host's newest fast sample run, and how many there are; templates are none of them."""
    listed = _runtimes(judged.snapshot)
    if listed is None:
        return None
    guests = [one for one in _by_key(listed, tuple(_details(judged.snapshot))).values() if not one.template]
    return sum(guest.status == "running" for guest in guests), len(guests)


def search_guests(hosts: Iterable[JudgedHost], query: str) -> list[Guest]:
    """List the guests that match the query, by name; an empty query matches all."""
    folded = query.strip().casefold()
    found = [guest for judged in hosts for guest in list_guests(judged) if guest.matches(folded)]
    return sorted(found, key=lambda guest: (name_order(guest.name), guest.vmid, guest.host_id))


def _by_key(guests: Iterable[Listed], others: Iterable[GuestRuntime | GuestDetail]) -> dict[Key, Listed]:
    """Return guests by type and vmid; one whose type was not sent has that of the only other row of its vmid."""
    types: dict[int, set[str]] = {}
    for other in others:
        types.setdefault(other.vmid, set()).add(other.type or "")
    found: dict[Key, Listed] = {}
    for one in sorted(guests, key=lambda one: bool(one.type)):  # those that say their type come last, and win
        known = types.get(one.vmid, set[str]())
        found[one.type or (min(known) if len(known) == 1 else ""), one.vmid] = one
    return found


def _guest(
    snapshot: HostSnapshot,
    key: Key,
    runtime: GuestRuntime | None,
    detail: GuestDetail | None,
    is_offline: bool,
) -> Guest:
    guest_type, vmid = key
    # What an offline host told of its guests no longer speaks for them.
    current = None if is_offline else runtime
    return Guest(
        host_id=snapshot.host.id,
        host=snapshot.host.name,
        vmid=vmid,
        type=guest_type,
        name=(runtime.name if runtime else None) or (detail.name if detail else None) or str(vmid),
        run_state=current.status if current else None,
        ips=detail.ips if detail else None,
        macs=detail.macs if detail else None,
        cpu_percent=current.cpu_percent if current else None,
        mem_bytes=current.mem_bytes if current else None,
        maxmem_bytes=runtime.maxmem_bytes if runtime else None,
        uptime_seconds=current.uptime_seconds if current else None,
        tags=runtime.tags or () if runtime else (),
        lock=runtime.lock if runtime else None,
        is_template=bool(runtime and runtime.template),
    )


def _runtimes(snapshot: HostSnapshot) -> tuple[GuestRuntime, ...] | None:
    sample = snapshot.samples.get(Tier.FAST)
    if sample and isinstance(sample.payload, FastPayload) and sample.payload.vms_runtime:
        return sample.payload.vms_runtime.vms
    return None


def _details(snapshot: HostSnapshot) -> Iterator[GuestDetail]:
    sample = snapshot.samples.get(Tier.MEDIUM)
    if sample and isinstance(sample.payload, MediumPayload) and sample.payload.vms_detail:
        yield from sample.payload.vms_detail.vms or ()
