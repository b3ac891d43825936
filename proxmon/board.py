"""The board: every host with its current verdict, kept up to date by samples and by the clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from proxmon.bus import Bus, Changes
from proxmon.config import RuleSettings
from proxmon.events import Recorded
from proxmon.findings import Finding, Status, earliest
from proxmon.fleet import Fleet, FleetSnapshot, HostSnapshot
from proxmon.forecast import Forecast, ForecastKey
from proxmon.past import judge_past
from proxmon.rulebook.book import RuleBook, as_book
from proxmon.sameness import is_unchanged
from proxmon.samples import Sample
from proxmon.status import HostStatus, evaluate

# A verdict changes just after the moment up to which it was valid.
MOMENT = timedelta(microseconds=1)


class Recording(Protocol):
    """What is told of every judgement, and by which rules it was made."""

    rules: RuleBook

    def note(self, host: HostSnapshot, status: HostStatus, at: datetime) -> tuple[Recorded, datetime | None]:
        """Record what changed; return what is recorded now, and when to judge again at the latest."""
        ...

    def heard(self, host: HostSnapshot) -> None:
        """Take note of newer samples that changed no verdict and no fact."""

    def forget(self, host_id: int) -> None:
        """Forget a host."""


class JudgedHost:
    """A host and our verdict on it, at one moment; the verdict may be put into words when it is first asked for."""

    __slots__ = ("_status", "snapshot")

    def __init__(self, snapshot: HostSnapshot, status: HostStatus | Callable[[], HostStatus]) -> None:
        self.snapshot, self._status = snapshot, status

    @property
    def status(self) -> HostStatus:
        """Return the verdict."""
        if not isinstance(self._status, HostStatus):
            self._status = self._status()
        return self._status

    @property
    def id(self) -> int:
        """Return the host's id."""
        return self.snapshot.host.id

    @property
    def name(self) -> str:
        """Return the host's name."""
        return self.snapshot.host.name

    def find_since(self, finding: Finding) -> datetime | None:
        """Return since when the finding has its verdict; None where that was not recorded."""
        return self.snapshot.recorded.find_since(finding) if self.snapshot.recorded else None


def judge_all(fleet: FleetSnapshot, rules: RuleBook) -> list[JudgedHost]:
    """Judge every host of a snapshot as of its moment, by name."""
    if fleet.is_live:
        return [JudgedHost(host, evaluate(host, rules, fleet.at)) for host in fleet.hosts]
    return [JudgedHost(*judge_past(host, rules, fleet.at)) for host in fleet.hosts]


class BoardWatcher(Protocol):
    """Who is told of every verdict, at once and one by one; pages are told by the bus, which puts changes together."""

    def judged(self, judged: JudgedHost, at: datetime, *, is_unchanged: bool = False) -> None:
        """Take in a host as it is judged since ``at``; ``is_unchanged`` when no verdict differs from those before."""

    def removed(self, host_id: int, at: datetime) -> None:
        """Take in that a host was deleted."""


class Board:
    """The judged fleet, live. It belongs to the event loop's thread.

    A verdict is made when a sample is stored and kept until time alone can change it, so that the tick's work
    depends on how many verdicts expire and not on how many hosts there are. Samples that say what those before them
    said are not judged until somebody asks, or that moment comes.
    """

    def __init__(
        self,
        fleet: Fleet,
        rules: RuleBook | RuleSettings,
        bus: Bus,
        clock: Callable[[], datetime],
        recording: Recording | None = None,
    ) -> None:
        self.fleet, self.rules, self.bus, self.clock = fleet, as_book(rules), bus, clock
        self._recording = recording
        self._judged: dict[int, JudgedHost] = {}
        self._due: dict[int, datetime] = {}
        self._expiries: list[tuple[datetime, int]] = []
        self._online: set[int] = set()
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
        self._let_expire(host_id, seen_at)
        before, changed = self.fleet.find(host_id), self.fleet.accept(host_id, samples, seen_at)
        if before is None or changed is None:
            return
        if host_id in self._online and is_unchanged(before, changed, self.rules, seen_at):
            self._keep(changed, seen_at)
        else:
            self._judge(changed, seen_at)
            self._tell(host_id, seen_at)
        self.bus.publish(Changes(frozenset({host_id})))

    def put(self, snapshot: HostSnapshot, at: datetime | None = None) -> None:
        """Take in a host that is new or was changed by an administrator at that moment, and tell the bus."""
        self.fleet.put(snapshot)
        self._judge(snapshot, at)
        self._tell(snapshot.host.id, self.clock())
        self.bus.publish(Changes(frozenset({snapshot.host.id}), is_fleet_changed=True))

    def remove(self, host_id: int) -> None:
        """Forget a host and tell the bus."""
        self.fleet.remove(host_id)
        self._judged.pop(host_id, None)
        self._online.discard(host_id)
        if self.watcher is not None:
            self.watcher.removed(host_id, self.clock())
        self._due.pop(host_id, None)
        if self._recording is not None:
            self._recording.forget(host_id)
        self.bus.publish(Changes(frozenset({host_id}), is_fleet_changed=True))

    def learn(self, host_id: int, forecasts: Mapping[ForecastKey, Forecast]) -> None:
        """Take in what was forecast of a host, and tell the bus."""
        known = self.fleet.find(host_id)
        if known is None or known.forecasts == forecasts:
            return
        self.fleet.put(replace(known, forecasts=forecasts))
        now = self.clock()
        self._let_expire(host_id, now)
        self._judge(self.fleet.find(host_id) or known, now)
        self._tell(host_id, now)
        self.bus.publish(Changes(frozenset({host_id})))

    def set_rules(self, rules: RuleBook) -> None:
        """Judge every host by other rules, and tell the bus; alerts follow the rules by themselves."""
        self.rules = rules
        if self._recording is not None:
            self._recording.rules = rules
        now = self.clock()
        for snapshot in self.fleet.list_hosts():
            self._let_expire(snapshot.host.id, now)
            self._judge(self.fleet.find(snapshot.host.id) or snapshot, now)
        self.bus.publish(Changes(frozenset(self._judged), is_fleet_changed=True))

    @property
    def next_expiry(self) -> datetime | None:
        """Return until when all verdicts stay as they are without a sample; None when none of them expires."""
        while self._expiries:
            expiry, host_id = self._expiries[0]
            if self._due.get(host_id) == expiry:
                return expiry
            heapq.heappop(self._expiries)
        return None

    def tick(self) -> None:
        """Judge again what time alone has changed, and tell the bus that time has passed."""
        now, changed = self.clock(), set[int]()
        while self._expiries and self._expiries[0][0] < now:
            expiry, host_id = heapq.heappop(self._expiries)
            if self._due.get(host_id) == expiry:
                self._let_expire(host_id, now)
                changed.add(host_id)
        self.bus.publish(Changes(frozenset(changed), is_tick=True))

    def _tell(self, host_id: int, at: datetime) -> None:
        if self.watcher is not None:
            self.watcher.judged(self._judged[host_id], at)

    def _keep(self, snapshot: HostSnapshot, at: datetime) -> None:
        """Take in newer samples that leave the verdicts as they are, until the moment up to which those were valid."""
        judged = JudgedHost(snapshot, partial(evaluate, snapshot, self.rules, at))
        self._judged[snapshot.host.id] = judged
        if self._recording is not None:
            self._recording.heard(snapshot)
        if self.watcher is not None:
            self.watcher.judged(judged, at, is_unchanged=True)

    def _let_expire(self, host_id: int, now: datetime) -> None:
        """Judge the host anew at each moment until now at which time alone changed its verdict."""
        while (due := self._due.get(host_id)) is not None and due < now:
            judged = self._judged[host_id]
            self._judge(judged.snapshot, due + MOMENT)
            if self._due.get(host_id) == due:
                self._judge(judged.snapshot, now)
                return

    def _judge(self, snapshot: HostSnapshot, at: datetime | None = None) -> None:
        moment, revisit = at or self.clock(), None
        status = evaluate(snapshot, self.rules, moment)
        if self._recording is not None:
            recorded, revisit = self._recording.note(snapshot, status, moment)
            if recorded is not snapshot.recorded:
                snapshot = replace(snapshot, recorded=recorded)
                self.fleet.put(snapshot)
        host_id, due = snapshot.host.id, earliest((status.valid_until, revisit))
        self._judged[host_id] = JudgedHost(snapshot, status)
        self._due.pop(host_id, None)
        self._online.discard(host_id)
        if status.status is not Status.OFFLINE and revisit is None:
            self._online.add(host_id)
        if due is not None:
            self._due[host_id] = due
            heapq.heappush(self._expiries, (due, host_id))


class PastBoard:
    """The judged fleet as of a past moment: the same reading methods as the live board, and it never changes."""

    def __init__(self, fleet: FleetSnapshot, rules: RuleBook | RuleSettings) -> None:
        self.at, self.rules = fleet.at, as_book(rules)
        self._judged = {judged.id: judged for judged in judge_all(fleet, self.rules)}

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
