"""The scrubs that are stored, so that each is stored once however often it is told of.

A host tells of a few in a year. What one says that makes up others with each sample must neither add up in memory nor
keep the server from starting again, so there are limits to what is remembered of it; its samples stay as they came.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from proxmon.payload import FastPayload
from proxmon.samples import Sample
from proxmon.scrubs import finished_scrubs

log = logging.getLogger(__name__)

MOST_KNOWN = 10_000  # of a host: those of five pools that are scrubbed each week for forty years
MOST_A_DAY = 2_000  # of a host, by the server's clock: two of as many pools as a sample may tell of
MOST_WORDS = 8  # on one scrub, each known earlier than the one before, or saying more


@dataclass(frozen=True, slots=True)
class Scrub:
    """A finished scrub as it was first heard of, or heard of with how long it took."""

    host_id: int
    pool: str
    duration_seconds: float | None
    ended_at: datetime
    observed_at: datetime
    received_at: datetime

    def is_told_by(self, other: Scrub) -> bool:
        """Tell whether the other one says as much and was known as early."""
        if other.ended_at != self.ended_at or other.observed_at > self.observed_at:
            return False
        if other.received_at > self.received_at:  # the server's clock stepped back in between
            return False
        return self.duration_seconds is None or (other.duration_seconds or 0.0) >= self.duration_seconds


Named = OrderedDict[tuple[str, datetime], tuple[Scrub, ...]]  # by pool and end, in the order in which they came


class KnownScrubs:
    """What is stored of each host's scrubs; of too many, those that came last."""

    def __init__(self) -> None:
        self._hosts: dict[int, Named] = {}
        self._days: dict[int, tuple[date, int]] = {}

    def add(self, scrubs: Iterable[Scrub]) -> None:
        """Take in scrubs that were stored."""
        for scrub in scrubs:
            _put(self._hosts.setdefault(scrub.host_id, Named()), scrub)
            day, count = scrub.received_at.date(), self._count(scrub)
            self._days[scrub.host_id] = (day, count + 1)

    def find_new(self, samples: Iterable[Sample]) -> list[Scrub]:
        """List the finished scrubs that these samples tell of and that were not known at their moment."""
        found = KnownScrubs()
        return [scrub for scrub in _told(samples) if self._is_new(scrub, found)]

    def forget(self, host_id: int) -> None:
        """Drop what is known of a host."""
        self._hosts.pop(host_id, None)
        self._days.pop(host_id, None)

    def _is_new(self, scrub: Scrub, found: KnownScrubs) -> bool:
        if any(map(scrub.is_told_by, self._find(scrub))) or any(map(scrub.is_told_by, found._find(scrub))):
            return False
        count = self._count(scrub) + found._count(scrub)
        if count >= MOST_A_DAY:
            return False
        if count == MOST_A_DAY - 1:
            log.warning("Host %d tells of %d scrubs in a day: of more none is remembered", scrub.host_id, MOST_A_DAY)
        found.add([scrub])
        return True

    def _find(self, scrub: Scrub) -> tuple[Scrub, ...]:
        named = self._hosts.get(scrub.host_id)
        return named.get((scrub.pool, scrub.ended_at), ()) if named else ()

    def _count(self, scrub: Scrub) -> int:
        day, count = self._days.get(scrub.host_id, (None, 0))
        return count if day == scrub.received_at.date() else 0


def _put(named: Named, scrub: Scrub) -> None:
    key = (scrub.pool, scrub.ended_at)
    named[key] = (*named.get(key, ()), scrub)[-MOST_WORDS:]
    if len(named) > MOST_KNOWN:
        named.popitem(last=False)


def _told(samples: Iterable[Sample]) -> Iterator[Scrub]:
    for sample in samples:
        if isinstance(sample.payload, FastPayload):
            moments = (sample.observed_at, sample.received_at)
            for pool, at, seconds in finished_scrubs(sample.payload, sample.observed_at):
                yield Scrub(sample.host_id, pool, seconds, at, *moments)
