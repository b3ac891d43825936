"""The fleet as a value: all hosts and the newest sample of every tier at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from operator import attrgetter

from proxmon.events import Recorded
from proxmon.forecast import Forecast, ForecastKey
from proxmon.payload import FastPayload, Tier
from proxmon.samples import Sample
from proxmon.scrubs import FinishedScrub, Scrubs, finished_scrubs, with_scrubs


@dataclass(frozen=True, slots=True)
class Host:
    """A machine that runs our agent; ``id`` is issued by the server and never used again."""

    id: int
    name: str
    created_at: datetime


class Resolution(StrEnum):
    """What a past moment is shown from.

    ``FULL`` is the newest samples as they came, ``ROWS`` the rows that were made of them, with the guests of the last
    sample that was kept, and ``HOUR`` that sample alone: the last of an hour, or one that an event tells of. ``EVENTS``
    is that nothing is left of the fast samples but what was recorded.
    """

    FULL = "full"
    ROWS = "rows"
    HOUR = "hour"
    EVENTS = "events"


_RECEIVED_AT = attrgetter("received_at")


@dataclass(frozen=True, slots=True)
class HostSnapshot:
    """What is known of one host at one moment.

    ``last_seen_at`` is when its newest message was accepted, by the server's clock; None when it never connected.
    ``left_at`` is when it said goodbye, ``left_reason`` why (such as ``reboot``); ``rotated_at`` is when its token was
    last replaced.
    ``scrubs`` holds the last finished scrubs that were ever heard of, by pool, the newest first, of MOST_POOLS pools.
    ``recorded`` is what the events say of it, None where there are none. ``resolution`` is what a past moment is shown
    from; where that is no full one, ``kept_at`` is when the sample was observed that was kept of that time.
    ``forecasts`` say when something is full, by kind and name; a past moment has none.
    """

    host: Host
    samples: Mapping[Tier, Sample] = field(default_factory=dict[Tier, Sample])
    last_seen_at: datetime | None = None
    left_at: datetime | None = None
    rotated_at: datetime | None = None
    left_reason: str | None = None
    scrubs: Scrubs = field(default_factory=dict[str, tuple[FinishedScrub, ...]])
    recorded: Recorded | None = None
    resolution: Resolution = Resolution.FULL
    kept_at: datetime | None = None
    forecasts: Mapping[ForecastKey, Forecast] = field(default_factory=dict[ForecastKey, Forecast])

    @property
    def is_thinned(self) -> bool:
        """Tell whether the newest samples of that moment are gone, and at most an earlier one stands for them."""
        return self.resolution in (Resolution.HOUR, Resolution.EVENTS)

    def find_scrub_end(self, pool: str) -> datetime | None:
        """Return when the last finished scrub of a pool ended that was ever heard of, or None."""
        known = self.scrubs.get(pool)
        return known[0].ended_at if known else None

    @property
    def newest_sample(self) -> Sample | None:
        """Return the sample that was received last, of any tier."""
        return max(self.samples.values(), key=_RECEIVED_AT, default=None)

    def with_samples(self, samples: Iterable[Sample], seen_at: datetime) -> HostSnapshot:
        """Return the host after a message with these samples was accepted at ``seen_at``."""
        newest, told = dict(self.samples), list[tuple[str, datetime, float | None]]()
        for sample in samples:
            known = newest.get(sample.tier)
            if known is None or sample.observed_at >= known.observed_at:
                newest[sample.tier] = sample
            if isinstance(sample.payload, FastPayload):
                told.extend(finished_scrubs(sample.payload, sample.observed_at))
        last_seen_at = max(seen_at, self.last_seen_at or seen_at)
        return replace(self, samples=newest, last_seen_at=last_seen_at, scrubs=with_scrubs(self.scrubs, told))


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """All hosts at one moment, by name; ``is_live`` is false for a moment in the past."""

    at: datetime
    is_live: bool
    hosts: tuple[HostSnapshot, ...]

    def find(self, name: str) -> HostSnapshot | None:
        """Return the host of that name, or None."""
        return next((snapshot for snapshot in self.hosts if snapshot.host.name == name), None)


class Fleet:
    """The newest state of every host, in memory. It belongs to the event loop's thread."""

    def __init__(self, hosts: Iterable[HostSnapshot] = ()) -> None:
        self._by_id = {snapshot.host.id: snapshot for snapshot in hosts}
        self._ids = {snapshot.host.name: snapshot.host.id for snapshot in self._by_id.values()}

    def __len__(self) -> int:
        return len(self._by_id)

    def put(self, snapshot: HostSnapshot) -> None:
        """Set what is known of a host, also of a new one."""
        self._by_id[snapshot.host.id] = snapshot
        self._ids[snapshot.host.name] = snapshot.host.id

    def remove(self, host_id: int) -> None:
        """Forget a host; nothing happens when it is not there."""
        snapshot = self._by_id.pop(host_id, None)
        if snapshot is not None:
            self._ids.pop(snapshot.host.name, None)

    def find(self, host_id: int) -> HostSnapshot | None:
        """Return the host with that id, or None."""
        return self._by_id.get(host_id)

    def find_named(self, name: str) -> HostSnapshot | None:
        """Return the host of that name, or None."""
        host_id = self._ids.get(name)
        return None if host_id is None else self._by_id[host_id]

    def accept(self, host_id: int, samples: Iterable[Sample], seen_at: datetime) -> HostSnapshot | None:
        """Take in stored samples; return the host's new state, or None when the host was deleted meanwhile."""
        known = self._by_id.get(host_id)
        if known is None:
            return None
        changed = known.with_samples(samples, seen_at)
        self._by_id[host_id] = changed
        return changed

    def list_hosts(self) -> list[HostSnapshot]:
        """List the hosts by name."""
        return sorted(self._by_id.values(), key=lambda snapshot: name_order(snapshot.host.name))

    def snapshot(self, now: datetime) -> FleetSnapshot:
        """Return the fleet as it is now."""
        return FleetSnapshot(at=now, is_live=True, hosts=tuple(self.list_hosts()))


def name_order(name: str) -> tuple[str, str]:
    """Return a sort key: by name without regard to case."""
    return (name.casefold(), name)
