"""The zpools of a simulated host at a moment: how full, how healthy, and the tree of their vdevs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from proxmon.agent.vdevs import Vdev, summarize
from proxmon.demo.failures import DiskFailure, list_failures
from proxmon.demo.layouts import Group, PoolLayout, disk_name
from proxmon.demo.noise import DAY_SECONDS, between, wander
from proxmon.demo.roles import PLANNED, Role, role_of
from proxmon.demo.scans import last_scan

# Crossing a limit of the rules takes a jump, as if somebody copied something large: noise must not cross it again.
JUMP_SHARE = 0.01
FILLING_LIMITS, FULL_LIMITS = (0.80,), (0.80 + JUMP_SHARE, 0.91)  # as full as it would be without jumps to come
FILLING_A_DAY, FULL_A_DAY = 0.006, 0.005
CLEANUP_DAYS = 60  # how long data piles up until somebody clears it away
FAILING_GROUP, FAILING_PLACE = 0, 1
MAIN_POOL = 1
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment in Unix seconds, and the one at which the demo began."""

    now: float
    begins_at: float

    @property
    def seconds(self) -> float:
        """Return the seconds since the demo began, negative in its past."""
        return self.now - self.begins_at


def pool_row(index: int, place: int, layout: PoolLayout, moment: Moment) -> Json:
    """Return a pool in the contract's form; ``place`` counts the pools of the host."""
    failures = list_failures(index, moment.seconds) if place == MAIN_POOL else []
    vdevs = _vdev_facts(pool_vdevs(index, layout, failures, moment.seconds)) if failures else _unharmed(index, layout)
    scan = last_scan(
        index,
        layout.name,
        moment.now,
        moment.begins_at,
        failures,
        is_scrubbed=not (place == MAIN_POOL and role_of(index) is Role.UNSCRUBBED),
    )
    scan_row = scan.row(moment.now) if scan else None
    is_scrubbed = scan is not None and scan.function == "scrub"
    return {
        "name": layout.name,
        **_sizes(index, place, layout, moment),
        "data_error_count": 0,
        "last_scrub_end": scan_row["end_at"] if scan_row and is_scrubbed else None,
        "scan": scan_row,
        "rebuilds": [],
        **vdevs,
    }


def _vdev_facts(vdevs: list[Vdev]) -> Json:
    """Return the pool's vdevs and what they say of its health."""
    is_degraded = any(vdev.state != "ONLINE" and not vdev.is_spare for vdev in vdevs)
    rows = [vdev.as_dict() for vdev in vdevs]
    return {"health": "DEGRADED" if is_degraded else "ONLINE", **summarize(vdevs), "vdevs": rows}


@lru_cache(maxsize=4096)
def _unharmed(index: int, layout: PoolLayout) -> Json:
    """Return the same of a pool where no disk ever failed, which is the same at any moment; do not change it."""
    return _vdev_facts(pool_vdevs(index, layout, (), 0.0))


def _sizes(index: int, place: int, layout: PoolLayout, moment: Moment) -> Json:
    size, alloc = layout.size_bytes, alloc_bytes(index, place, layout, moment)
    return {
        "capacity_percent": 100 * alloc // size,
        "fragmentation_percent": int(4 + 45 * (alloc / size) ** 2 * between(0.6, 1.2, "fragmentation", index, place)),
        "size_bytes": size,
        "alloc_bytes": alloc,
        "free_bytes": size - alloc,
    }


def alloc_bytes(index: int, place: int, layout: PoolLayout, moment: Moment) -> int:
    """Return how many bytes of the pool are in use."""
    share = _main_share(index, moment) if place == MAIN_POOL else _steady_share(index, place, moment.now)
    written = 0.0015 * wander(moment.now, 120, "written", index, place)
    return int(layout.size_bytes * (share + written)) // 4096 * 4096


def _main_share(index: int, moment: Moment) -> float:
    """Return how full the guests' pool is: some fill up for weeks, and stay within their part while the demo runs."""
    role, days = role_of(index), moment.seconds / DAY_SECONDS
    if role is Role.FILLING:
        return _jumping(present_share(index) + max(-0.4, min(0.008, FILLING_A_DAY * days)), FILLING_LIMITS)
    if role is Role.FULL:
        return _jumping(present_share(index) + max(-0.4, min(0.02, FULL_A_DAY * days)), FULL_LIMITS)
    return _steady_share(index, MAIN_POOL, moment.now)


def present_share(index: int) -> float:
    """Return how full the pool is when the demo begins, of a host whose pool fills up or is full."""
    is_planned = index < len(PLANNED)
    if role_of(index) is Role.FULL:
        return 0.9302 if is_planned else between(0.915, 0.965, "level", index)
    return 0.8602 if is_planned else between(0.81, 0.88, "level", index)


def _jumping(share: float, limits: Sequence[float]) -> float:
    return share - JUMP_SHARE * sum(share < limit for limit in limits)


def _steady_share(index: int, place: int, now: float) -> float:
    share = between(0.12, 0.4, "share", index, place) if place == 0 else between(0.3, 0.68, "share", index, place)
    piled_up = (now / DAY_SECONDS / CLEANUP_DAYS + between(0, 1, "cleanup", index, place)) % 1.0
    return share + 0.06 * piled_up


def pool_vdevs(index: int, layout: PoolLayout, failures: Sequence[DiskFailure], seconds: float) -> list[Vdev]:
    """Return the pool's vdevs as ``zpool status`` lists them below the pool's own row."""
    vdevs: list[Vdev] = []
    for number, group in enumerate(layout.groups):
        disks = [_disk(disk_name(index, layout, number, place), group) for place in range(group.disks)]
        if failures and number == FAILING_GROUP:
            disks[FAILING_PLACE] = _failing_disk(index, layout, failures[-1], seconds)
        vdevs += _grouped(number, group, disks)
    return vdevs


def _grouped(number: int, group: Group, disks: list[Vdev]) -> list[Vdev]:
    if group.kind == "disk":
        return disks
    state = "ONLINE" if all(disk.state == "ONLINE" for disk in disks) else "DEGRADED"
    return [Vdev(f"{group.kind}-{number}", group.kind, group.vdev_class, state, 0, 0, 0, children=disks)]


def _disk(name: str, group: Group, state: str = "ONLINE") -> Vdev:
    if group.vdev_class == "spare":
        return Vdev(name, "disk", "spare", "AVAIL")
    return Vdev(name, "disk", group.vdev_class, state, 0, 0, 0)


def _failing_disk(index: int, layout: PoolLayout, failure: DiskFailure, seconds: float) -> Vdev:
    """Return the disk that fails, the pair while it is replaced, or the one that took its place."""
    group = layout.groups[FAILING_GROUP]
    names = [
        disk_name(index, layout, FAILING_GROUP, FAILING_PLACE, failure.number + generation) for generation in (0, 1)
    ]
    old, new = (_disk(name, group) for name in names)
    if seconds >= failure.healed_at:
        return new
    if failure.is_weak(seconds):
        old.checksum_errors = 1 + int(11 * (seconds - failure.weak_at) / (failure.fails_at - failure.weak_at))
    if failure.is_faulted(seconds):
        old.state, old.read_errors, old.write_errors, old.checksum_errors = "FAULTED", 37, 112, 12
    if not failure.is_replacing(seconds):
        return old
    new.is_resilvering = True
    name = f"replacing-{FAILING_PLACE}"
    return Vdev(name, "replacing", group.vdev_class, "DEGRADED", 0, 0, 0, children=[old, new])
