"""The board: every host with its current verdict, kept up to date by samples and by the clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from proxmon.bus import Bus, Changes
from proxmon.config import RuleSettings
from proxmon.fleet import Fleet, FleetSnapshot, HostSnapshot
from proxmon.samples import Sample
from proxmon.status import HostStatus, evaluate


@dataclass(frozen=True, slots=True)
class JudgedHost:
    """A host and our verdict on it, at one moment."""

    snapshot: HostSnapshot
    status: HostStatus

    @property
    def id(self) -> int:
        """Return the host's id."""
        return self.snapshot.host.id

    @property
    def name(self) -> str:
        """Return the host's name."""
        return self.snapshot.host.name


def judge_all(fleet: FleetSnapshot, rules: RuleSettings) -> list[JudgedHost]:
    """Judge every host of a snapshot as of its moment, by name."""
    return [JudgedHost(host, evaluate(host, rules, fleet.at)) for host in fleet.hosts]


class BoardWatcher(Protocol):
    """Who is told of every verdict, at once and one by one; pages are told by the bus, which puts changes together."""

    def judged(self, judged: JudgedHost, at: datetime) -> None:
        """Take in a host as it is judged since ``at``."""

    def removed(self, host_id: int, at: datetime) -> None:
        """Take in that a host was deleted."""


class Board:
    """The judged fleet, live. It belongs to the event loop's thread.

    A verdict is made when a sample is stored and kept until time alone can change it, so that the tick's work
    depends on how many verdicts expire and not on how many hosts there are.
    """

    def __init__(self, fleet: Fleet, rules: RuleSettings, bus: Bus, clock: Callable[[], datetime]) -> None:
        self.fleet, self.rules, self.bus, self.clock = fleet, rules, bus, clock
        self._judged: dict[int, JudgedHost] = {}
        self._expiries: list[tuple[datetime, int]] = []
        self.watcher: BoardWatcher | None = None
        for snapshot in fleet.list_hosts():
            self._judge(snapshot)

    def __len__(self) -> int:
        return len(self._judged)

    def find(self, host_id: int) -> JudgedHost | None:
        """Return the host with that id, or None."""
        return self._judged.get(host_id)

    def find_named(self, name: str) -> JudgedHost | None:
        """Return the host of that name, or None."""
        snapshot = self.fleet.find_named(name)
        return None if snapshot is None else self._judged.get(snapshot.host.id)

    def list_hosts(self) -> list[JudgedHost]:
        """List the hosts by name."""
        return [self._judged[snapshot.host.id] for snapshot in self.fleet.list_hosts()]

    def accept(self, host_id: int, samples: Iterable[Sample], seen_at: datetime) -> None:
        """Take in stored samples and tell the bus."""
        changed = self.fleet.accept(host_id, samples, seen_at)
        if changed is not None:
            self._judge(changed)
            self._tell(host_id, seen_at)
            self.bus.publish(Changes(frozenset({host_id})))

    def put(self, snapshot: HostSnapshot) -> None:
        """Take in a host that is new or was changed by an administrator, and tell the bus."""
        self.fleet.put(snapshot)
        self._judge(snapshot)
        self._tell(snapshot.host.id, self.clock())
        self.bus.publish(Changes(frozenset({snapshot.host.id}), is_fleet_changed=True))

    def remove(self, host_id: int) -> None:
        """Forget a host and tell the bus."""
        self.fleet.remove(host_id)
        self._judged.pop(host_id, None)
        if self.watcher is not None:
            self.watcher.removed(host_id, self.clock())
        self.bus.publish(Changes(frozenset({host_id}), is_fleet_changed=True))

    @property
    def next_expiry(self) -> datetime | None:
        """Return until when all verdicts stay as they are without a sample; None when none of them expires."""
        while self._expiries:
            expiry, host_id = self._expiries[0]
            judged = self._judged.get(host_id)
            if judged is not None and judged.status.valid_until == expiry:
                return expiry
            heapq.heappop(self._expiries)
        return None

    def tick(self) -> None:
        """Judge again what time alone has changed, and tell the bus that time has passed."""
        now, changed = self.clock(), set[int]()
        while self._expiries and self._expiries[0][0] < now:
            _, host_id = heapq.heappop(self._expiries)
            judged = self._judged.get(host_id)
            if judged and judged.status.valid_until and judged.status.valid_until < now:
                self._judge(judged.snapshot)
                changed.add(host_id)
        self.bus.publish(Changes(frozenset(changed), is_tick=True))

    def _tell(self, host_id: int, at: datetime) -> None:
        if self.watcher is not None:
            self.watcher.judged(self._judged[host_id], at)

    def _judge(self, snapshot: HostSnapshot) -> None:
        status = evaluate(snapshot, self.rules, self.clock())
        self._judged[snapshot.host.id] = JudgedHost(snapshot, status)
        if status.valid_until is not None:
            heapq.heappush(self._expiries, (status.valid_until, snapshot.host.id))


class PastBoard:
    """The judged fleet as of a past moment: the same reading methods as the live board, and it never changes."""

    def __init__(self, fleet: FleetSnapshot, rules: RuleSettings) -> None:
        self.at = fleet.at
        self._judged = {judged.id: judged for judged in judge_all(fleet, rules)}

    def __len__(self) -> int:
        return len(self._judged)

    def find(self, host_id: int) -> JudgedHost | None:
        """Return the host with that id, or None."""
        return self._judged.get(host_id)

    def find_named(self, name: str) -> JudgedHost | None:
        """Return the host of that name, or None."""
        return next((judged for judged in self._judged.values() if judged.name == name), None)

    def list_hosts(self) -> list[JudgedHost]:
        """List the hosts by name."""
        return list(self._judged.values())
