"""Records what happens to the hosts: follows each judgement, keeps what was recorded, and gives events to the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby, takewhile
from typing import Protocol

from proxmon.config import RuleSettings
from proxmon.events import Event, Recorded
from proxmon.facts import Facts, fact_events, read_facts
from proxmon.findings import Status
from proxmon.fleet import HostSnapshot
from proxmon.moves import Moves
from proxmon.rulebook.book import RuleBook, as_book
from proxmon.rules.connection import STANDSTILL, waits_until
from proxmon.samples import Sample
from proxmon.status import HostStatus, evaluate
from proxmon.verdicts import MOST_CHANGES, verdict_events

# What open pages may not have shown yet; a page that missed more asks the store.
RECENT_EVENTS = 500
SOON = timedelta(seconds=10)
MICROSECOND = timedelta(microseconds=1)


class EventStore(Protocol):
    """What the recorder asks of the store."""

    def append_events(self, events: Sequence[Event]) -> object:
        """Store events with the next commit."""


class Recorder:
    """Derives events from judgements. It belongs to the event loop's thread.

    ``listening_since`` is from when on silence counts: a server that was not there has not heard whether a host was.
    """

    def __init__(self, store: EventStore, rules: RuleBook | RuleSettings, clock: Callable[[], datetime]) -> None:
        self._store, self.rules = store, as_book(rules)
        self._facts: dict[int, Facts] = {}
        self._moves = Moves()
        self.listening_since = self._ticked_at = clock()
        self.recent: deque[tuple[int, Event]] = deque(maxlen=RECENT_EVENTS)
        self.count = 0

    def resume(
        self, host: HostSnapshot, received: Sequence[Sample], events: Sequence[Event], before: HostSnapshot
    ) -> None:
        """Take up a host where the last run ended.

        ``received`` are the last samples that were stored, ``events`` those recorded since then, ``before`` is the host
        before both. What a crash kept from being recorded is recorded now, at its own time, and nothing is twice.
        """
        known = {event.key for event in events}
        recorded, facts = before.recorded, read_facts(Facts(), before)
        missing: list[Event] = []
        waiting = deque(sorted(events, key=lambda event: event.known_at))
        for at, group in groupby(received, key=lambda sample: sample.received_at):
            due = _take_known(waiting, at)
            recorded = recorded.with_events(due) if recorded is not None else None
            before = replace(before.with_samples(group, at), recorded=recorded)
            after = read_facts(facts, before)
            found = list(fact_events(facts, after, before, at))
            if recorded is not None:
                found += verdict_events(recorded, before, evaluate(before, self.rules, at), at)
            found = [event for event in found if event.key not in known]
            recorded = recorded.with_events(found) if recorded is not None else None
            facts, missing = after, missing + found
        self._facts[host.host.id] = read_facts(facts, host)
        self._moves.settle(host, self._facts[host.host.id])
        self._tell(missing)

    def note(self, host: HostSnapshot, status: HostStatus, at: datetime) -> tuple[Recorded, datetime | None]:
        """Record what a judgement at ``at`` changed; return what is recorded now, and when to judge again by then."""
        recorded = host.recorded or first_record(host)
        events = list(self._read_facts(host, at))
        patience = self._patience(recorded, host, status)
        if patience is not None and at <= patience:
            self._tell(events)
            return recorded, patience
        at = max(at, recorded.since + MICROSECOND) if recorded.since else at
        verdicts = verdict_events(recorded, host, status, at)
        self._tell([*verdicts, *events])
        revisit = at + SOON if len(verdicts) == MOST_CHANGES else None  # there may be more to tell
        return (recorded.with_events(verdicts) if verdicts else recorded), revisit

    def heard(self, host: HostSnapshot) -> None:
        """Take note of newer samples that changed no verdict and no fact."""
        self._facts[host.host.id] = self._facts.get(host.host.id, Facts()).heard(host)

    def tick(self, now: datetime) -> None:
        """Take note that the server is awake."""
        if now - self._ticked_at > STANDSTILL:
            self.listening_since = now
        self._ticked_at = now

    def tell(self, event: Event) -> None:
        """Show an event that was stored with what an administrator or an agent did."""
        self.count += 1
        self.recent.append((self.count, event))

    def forget(self, host_id: int) -> None:
        """Forget a host that was deleted."""
        self._facts.pop(host_id, None)
        self._moves.forget(host_id)

    def list_recent(self, count: int) -> list[Event]:
        """List the events that came after the first ``count``, the oldest first, as far as they are remembered."""
        return [event for number, event in self.recent if number > count]

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self.tell(event)
        if events:
            self._store.append_events(events)

    def _read_facts(self, host: HostSnapshot, at: datetime) -> Iterable[Event]:
        known = self._facts.get(host.host.id, Facts())
        if known.is_told_by(host):
            return []
        facts = self._facts[host.host.id] = read_facts(known, host)
        return self._moves.follow(host, known, facts, fact_events(known, facts, host, at), at)

    def _patience(self, recorded: Recorded, host: HostSnapshot, status: HostStatus) -> datetime | None:
        """Return until when a host that was online may be silent, where the server itself was away."""
        is_new = status.status is Status.OFFLINE and recorded.status not in (Status.OFFLINE, None)
        seen = host.last_seen_at
        left = [at for at in (host.left_at, host.rotated_at) if at is not None and seen is not None and at >= seen]
        if not is_new or left:
            return None
        return waits_until(host, self.rules.of_host(host.host.name).settings, self.listening_since)


def _take_known(waiting: deque[Event], at: datetime) -> list[Event]:
    """Take out what was known by then, of events that wait in the order in which they were."""
    return [waiting.popleft() for _ in list(takewhile(lambda event: event.known_at <= at, waiting))]


def first_record(host: HostSnapshot) -> Recorded:
    """Return what is recorded of a host without events: one that never connected is offline, that much is known."""
    return Recorded() if host.last_seen_at else Recorded(Status.OFFLINE)
