"""Series over time: what a chart asks the store for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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

    The answer is a DataFrame with one row a step and subject, in the order of time: ``at`` (UTC, the step's start),
    ``subject`` (empty for the host itself, a pool's or storage's name, ``qemu/100`` for a guest), and for each metric M
    of the kind ``M_min``, ``M_mean``, ``M_max`` and ``M_last``. Steps without samples are missing: gaps stay gaps.
    ``frame.attrs["resolution_seconds"]`` is the length of a step.
    """

    host_id: int
    kind: SeriesKind
    since: datetime
    until: datetime
    points: int = 600
