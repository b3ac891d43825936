"""Series over time: what a chart asks the store for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from proxmon.errors import QueryError

_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class SeriesKind(StrEnum):
    """What the values belong to."""

    HOST = "host"
    ZPOOL = "zpool"
    STORAGE = "storage"
    GUEST = "guest"


METRICS: dict[SeriesKind, tuple[str, ...]] = {
    SeriesKind.HOST: ("load1", "load5", "load15", "cpu_percent", "mem_used_bytes", "mem_total_bytes", "arc_bytes"),
    SeriesKind.ZPOOL: ("capacity_percent", "fragmentation_percent", "size_bytes", "alloc_bytes", "free_bytes"),
    SeriesKind.STORAGE: ("used_bytes", "total_bytes"),
    SeriesKind.GUEST: ("cpu_percent", "mem_bytes", "maxmem_bytes"),
}


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """A span of a host's history, in at most about ``points`` steps; the store chooses the resolution.

    The answer is ``SeriesRows`` (``proxmon/seriesrows.py``).
    """

    host_id: int
    kind: SeriesKind
    since: datetime
    until: datetime
    points: int = 600


def read_timedelta(text: str) -> timedelta:
    """Return the span that a person wrote, such as ``90min``, ``2h`` or ``7d``. Raises QueryError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)\s*", text, re.IGNORECASE)
    try:
        if found:
            return timedelta(**{_UNITS[found[2].lower()]: float(found[1])})
    except OverflowError:
        pass
    raise QueryError(f"Write a span as 90min, 2h or 7d: {text[:40]} is none.")
