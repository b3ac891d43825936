"""The last scrubs of each pool; a host tells one, and no longer as soon as something else scans the pool."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from proxmon.agent.units import find_date
from proxmon.payload import FastPayload, Pool
from proxmon.samples import parse_time

# A date whose zone is not known is taken as UTC, and zones go from 12 hours behind it to 14 hours ahead.
ZONES_SPAN = timedelta(hours=14)
MAX_KNOWN_CHARACTERS = 64  # what a date needs; longer ones are not remembered
LONGEST_SECONDS = 10 * 366 * 86_400.0  # no scan takes ten years; what is said to is not believed
KNOWN_SCRUBS = 6  # of a pool: the last one, and the five before that it is held against
# Of a host, as many as one sample may tell of: pools that are others in each sample must not add up.
MOST_POOLS = 1_000
CLOCKS_DIFFER = timedelta(minutes=1)  # by which host and server may disagree while both count as right


@dataclass(frozen=True, slots=True)
class ScrubDate:
    """When a scrub ended, and by how much that may be off since its zone is not known."""

    at: datetime
    uncertainty: timedelta

    def is_after(self, moment: datetime, tolerance: timedelta = CLOCKS_DIFFER) -> bool:
        """Tell whether it lies after that moment, whatever its zone is."""
        return self.at > moment + tolerance + self.uncertainty


@dataclass(frozen=True, slots=True)
class FinishedScrub:
    """A scrub that went through to the end; how long it took is None where the host did not say."""

    ended_at: datetime
    duration_seconds: float | None = None


Scrubs = Mapping[str, tuple[FinishedScrub, ...]]  # by pool, the newest first


def with_scrubs(known: Scrubs, told: Iterable[tuple[str, datetime, float | None]]) -> Scrubs:
    """Return the last scrubs of each pool after these were told of: pool, end and seconds, as ``finished_scrubs`` does.

    As a rule nothing is new, and ``known`` itself is returned. Of more than MOST_POOLS those with the newest stay.
    """
    changed: dict[str, tuple[FinishedScrub, ...]] = {}
    for pool, ended_at, seconds in told:
        before = changed.get(pool) or known.get(pool, ())
        after = with_scrub(before, ended_at, seconds)
        if after is not before:
            changed[pool] = after
    return _newest({**known, **changed}) if changed else known


def _newest(scrubs: Scrubs) -> Scrubs:
    if len(scrubs) <= MOST_POOLS:
        return scrubs
    return dict(heapq.nlargest(MOST_POOLS, scrubs.items(), key=lambda item: item[1][0].ended_at))


def with_scrub(
    known: tuple[FinishedScrub, ...], ended_at: datetime, duration_seconds: float | None
) -> tuple[FinishedScrub, ...]:
    """Return the last scrubs of a pool, the newest first, after one was told of; as a rule it is the first of them.

    A host that tells of the same scrub once more may say then how long it took; of two such words the longer counts.
    """
    if known and known[0].ended_at == ended_at and known[0].duration_seconds == duration_seconds:
        return known
    if len(known) == KNOWN_SCRUBS and ended_at < known[-1].ended_at:
        return known
    same = next((one for one in known if one.ended_at == ended_at), None)
    if same is not None and (same.duration_seconds or 0.0) >= (duration_seconds or 0.0):
        return known
    told = (*(one for one in known if one is not same), FinishedScrub(ended_at, duration_seconds))
    return tuple(sorted(told, key=lambda one: one.ended_at, reverse=True)[:KNOWN_SCRUBS])


def parse_scrub_date(text: str) -> ScrubDate | None:
    """Return the moment that an ISO 8601 text or the ctime of ``zpool status`` names; None if it is neither.

    A zone that the text names (``Sun Nov 22 21:30:49 CET 2026``) counts. Without one it is the host's own, which the
    server does not know, and is taken as UTC. That is at most 14 hours off, against an age that is judged in days.
    """
    return _parse_known(text) if len(text) <= MAX_KNOWN_CHARACTERS else _parse(text)


def _parse(text: str) -> ScrubDate | None:
    try:
        at = parse_time(text)
        is_zone_known = datetime.fromisoformat(text).tzinfo is not None
    except (ValueError, OverflowError):
        return _parse_ctime(text)
    return ScrubDate(at, timedelta(0) if is_zone_known else ZONES_SPAN)


# A host tells the same date with each sample for weeks.
_parse_known = lru_cache(maxsize=4096)(_parse)


def parse_scrub_end(text: str) -> datetime | None:
    """Return the UTC moment of a scrub's date; None if it cannot be read."""
    date = parse_scrub_date(text)
    return date and date.at


def finished_scrubs(payload: FastPayload, observed_at: datetime) -> Iterator[tuple[str, datetime, float | None]]:
    """Give pool, end and seconds of every finished scrub that is told of; none that ended after it was observed."""
    pools = payload.zfs_pools.pools if payload.zfs_pools else None
    for pool in pools or ():
        date = scrub_date(pool)
        if date is not None and not date.is_after(observed_at):
            yield pool.name, date.at, _duration(pool)


def _duration(pool: Pool) -> float | None:
    scan = pool.scan
    if scan is None or scan.duration_seconds is None or scan.function != "scrub" or scan.state != "finished":
        return None
    return scan.duration_seconds if scan.duration_seconds <= LONGEST_SECONDS else None


def scrub_date(pool: Pool) -> ScrubDate | None:
    """Return when the pool's last scan, a finished scrub, ended; None when the last scan was something else."""
    text = pool.last_scrub_end
    if text is None and pool.scan and (pool.scan.function, pool.scan.state) == ("scrub", "finished"):
        text = pool.scan.end_at
    return parse_scrub_date(text) if text else None


def scrub_end(pool: Pool) -> datetime | None:
    """Return the moment of ``scrub_date``."""
    date = scrub_date(pool)
    return date and date.at


def _parse_ctime(text: str) -> ScrubDate | None:
    named, taken = find_date(text[:256]), find_date(text[:256], UTC)
    if named is None or taken is None:
        return None
    try:
        return ScrubDate(parse_time(taken), timedelta(0) if named.endswith("Z") else ZONES_SPAN)
    except ValueError:
        return None
