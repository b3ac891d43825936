"""The end of the last scrub of each pool, which a host stops telling as soon as something else scans the pool."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from proxmon.agent.units import find_date
from proxmon.payload import FastPayload, Pool
from proxmon.samples import parse_time


def parse_scrub_end(text: str) -> datetime | None:
    """Return the UTC moment of an ISO 8601 text or of the ctime that ``zpool status`` prints; None if it is neither.

    A zone that the text names (``Sun Nov 22 21:30:49 CET 2026``) counts. Without one it is the host's own, which the
    server does not know, and is taken as UTC. That is at most 14 hours off, against an age that is judged in days.
    """
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        found = find_date(text, UTC)
        return parse_time(found) if found else None


def finished_scrubs(payload: FastPayload) -> Iterator[tuple[str, datetime]]:
    """Give pool and end of every finished scrub that the payload tells of."""
    pools = payload.zfs_pools.pools if payload.zfs_pools else None
    for pool in pools or ():
        ended_at = scrub_end(pool)
        if ended_at is not None:
            yield pool.name, ended_at


def scrub_end(pool: Pool) -> datetime | None:
    """Return when the pool's last scan, a finished scrub, ended; None when the last scan was something else."""
    text = pool.last_scrub_end
    if text is None and pool.scan and (pool.scan.function, pool.scan.state) == ("scrub", "finished"):
        text = pool.scan.end_at
    return parse_scrub_end(text) if text else None
