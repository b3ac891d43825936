"""A rehearsal: what edited rules would have done on the stored samples, beside what the present rules do on them."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from proxmon.alerts.engine import AlertEngine
from proxmon.alerts.model import AlertEvent
from proxmon.alerts.policy import default_policies
from proxmon.alerts.records import AlertRecord, fold
from proxmon.findings import Status
from proxmon.fleet import HostSnapshot
from proxmon.history import History
from proxmon.payload import Tier
from proxmon.rulebook.book import RuleBook
from proxmon.sameness import is_unchanged
from proxmon.samples import Sample
from proxmon.status import evaluate

# Two samples further apart than this have others between them that were not kept; unless the host was recorded as
# offline, the first stands for them, and is repeated so that rules which wait for several samples see them.
STANDS_FOR = timedelta(hours=3)
MOST_REPEATS = 10
RELEASE_EVERY = 100


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What both rule books made of the same samples.

    ``until`` is how far the samples were played, ``is_cut`` whether time ran out before the end. Alerts that were open
    at ``until`` have no end. ``first_at`` is the first sample that there was, ``full_since`` from when on all are kept;
    ``step_seconds`` is the least time between two samples of a host and tier, 0 when none was left out.
    """

    since: datetime
    until: datetime
    first_at: datetime | None
    full_since: datetime | None
    samples: int
    step_seconds: float
    is_cut: bool
    present: tuple[AlertRecord, ...]
    edited: tuple[AlertRecord, ...]
    hosts: Mapping[int, str]


class _Player:
    """One rule book's alerts."""

    def __init__(self, hosts: Iterable[HostSnapshot], book: RuleBook, since: datetime) -> None:
        self._book = book
        self._engine = AlertEngine(lambda host, at: evaluate(host, book, at), default_policies(book), since)
        self.events: list[AlertEvent] = []
        self._online: set[int] = set()
        for host in hosts:
            self.take(host, host, since)

    def take(self, before: HostSnapshot, host: HostSnapshot, at: datetime) -> None:
        """Judge a host, unless it says the same as before and no look at it is needed; most samples do."""
        self.events += self._engine.advance(at)
        is_online, judge = host.host.id in self._online, partial(evaluate, host, self._book, at)
        if is_online and is_unchanged(before, host, self._book, at) and self._engine.keep(host, judge, at):
            return
        status = judge()
        self._online.discard(host.host.id)
        if status.status is not Status.OFFLINE:
            self._online.add(host.host.id)
        self.events += self._engine.take(host, status, at)

    def finish(self, at: datetime) -> tuple[AlertRecord, ...]:
        self.events += self._engine.advance(at)
        return tuple(fold(self.events).values())


def rehearse(
    history: History,
    hosts: Iterable[HostSnapshot],
    books: tuple[RuleBook, RuleBook],
    span: tuple[datetime, datetime],
    is_late: Callable[[], bool] = lambda: False,
) -> Rehearsal:
    """Play a history to the present and to the edited rules, until it ends or ``is_late`` says that time is up."""
    since, until = span
    stage = _Stage(history, hosts, books, since)
    is_cut = False
    for sample in filled(history, until, _repeats(books)):
        is_cut = is_late()
        if is_cut:
            break
        stage.take(sample)
    end = stage.at if is_cut else until
    present, edited = stage.finish(end)
    return Rehearsal(
        since=since,
        until=end,
        first_at=stage.first_at,
        full_since=history.full_since,
        samples=stage.count,
        step_seconds=history.step_seconds,
        is_cut=is_cut,
        present=present,
        edited=edited,
        hosts=stage.host_names,
    )


class _Stage:
    """The fleet as it is played to both rule books."""

    def __init__(
        self, history: History, hosts: Iterable[HostSnapshot], books: tuple[RuleBook, RuleBook], since: datetime
    ) -> None:
        self._fleet = {host.host.id: _blank(host, history) for host in hosts}
        self._players = [_Player(self._fleet.values(), book, since) for book in books]
        self._goodbyes = deque(history.goodbyes)
        self.at, self.count = since, 0
        self.first_at: datetime | None = None

    @property
    def host_names(self) -> dict[int, str]:
        """Return the hosts' names by id."""
        return {host_id: host.host.name for host_id, host in self._fleet.items()}

    def take(self, sample: Sample) -> None:
        """Let a sample arrive, and what happened before it."""
        at = sample.received_at
        self._leave(at)
        host = self._fleet.get(sample.host_id)
        if host is not None:
            self.at, self.first_at, self.count = at, self.first_at or at, self.count + 1
            self._put(host.with_samples([sample], at), at)

    def finish(self, at: datetime) -> tuple[tuple[AlertRecord, ...], tuple[AlertRecord, ...]]:
        """Let time pass until a moment, and return the alerts of both."""
        self._leave(at)
        present, edited = (player.finish(at) for player in self._players)
        return present, edited

    def _leave(self, until: datetime) -> None:
        while self._goodbyes and self._goodbyes[0].at <= until:
            goodbye = self._goodbyes.popleft()
            host = self._fleet.get(goodbye.host_id)
            if host is not None:
                self._put(replace(host, left_at=goodbye.at, left_reason=goodbye.reason), goodbye.at)

    def _put(self, host: HostSnapshot, at: datetime) -> None:
        before, self._fleet[host.host.id] = self._fleet[host.host.id], host
        for player in self._players:
            player.take(before, host, at)


def filled(history: History, until: datetime, repeats: int) -> Iterator[Sample]:
    """Give the samples, those of the fast tier repeated where others between them were not kept."""
    queue, waiting = _Queue(), dict[int, Sample]()
    for number, sample in enumerate(history.samples, 1):
        if sample.tier is Tier.FAST:
            known = waiting.get(sample.host_id)
            waiting[sample.host_id] = sample
            if known is not None:
                queue.put(_stand_in(known, sample.received_at, history, repeats))
        else:
            seconds = max(sample.interval_seconds, history.step_seconds)
            queue.put([replace(sample, interval_seconds=seconds)])
        if number % RELEASE_EVERY == 0:
            silent = [one for one in waiting.values() if sample.received_at - one.received_at > 2 * STANDS_FOR]
            for one in silent:
                queue.put([waiting.pop(one.host_id)])
            yield from queue.release(min((one.received_at for one in waiting.values()), default=sample.received_at))
    for known in waiting.values():
        queue.put(_stand_in(known, until, history, repeats))
    yield from queue.release(until)


class _Queue:
    """Samples in the order of time."""

    def __init__(self) -> None:
        self._waiting: list[tuple[datetime, int, Sample]] = []
        self._number = 0

    def put(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            self._number += 1
            heapq.heappush(self._waiting, (sample.received_at, self._number, sample))

    def release(self, until: datetime) -> Iterator[Sample]:
        while self._waiting and self._waiting[0][0] < until:
            yield heapq.heappop(self._waiting)[2]


def _stand_in(sample: Sample, until: datetime, history: History, repeats: int) -> list[Sample]:
    """Return a sample, repeated for those that came before the next one and were not kept."""
    natural = timedelta(seconds=sample.interval_seconds)
    gap = until - sample.received_at
    if gap <= 2 * natural or gap > STANDS_FOR:
        return [sample]
    heard = history.offline.get(sample.host_id, ())
    lost = next((at for at in heard if sample.received_at <= at < until), None)
    span = gap if lost is None else lost - sample.received_at
    step = min(natural, span / (repeats + 1))
    copies = [_moved(sample, step * turn, span) for turn in range(repeats)]
    # What was heard last goes stale as it did then.
    return copies if lost is None else [*copies, _moved(sample, span, natural)]


def _moved(sample: Sample, by: timedelta, lasts: timedelta) -> Sample:
    return replace(
        sample,
        received_at=sample.received_at + by,
        observed_at=sample.observed_at + by,
        fresh_at=sample.fresh_at + by,
        interval_seconds=max(sample.interval_seconds, lasts.total_seconds()),
    )


def _repeats(books: tuple[RuleBook, RuleBook]) -> int:
    """Return how many samples in a row the rules wait for at most."""
    said = [entry.for_samples or 1 for book in books for entry in book.entries]
    return min(MOST_REPEATS, max([3, *said]))


def _blank(host: HostSnapshot, history: History) -> HostSnapshot:
    """Return a host of which nothing was heard, but for the scrubs that were known when the history begins."""
    return HostSnapshot(host.host, scrubs=history.scrubs.get(host.host.id, {}))
