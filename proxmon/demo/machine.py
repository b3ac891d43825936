"""A simulated host: what it is made of, and its sections that are neither pools nor guests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from proxmon.demo.guests import GIB, DemoGuest, GuestState, make_guests
from proxmon.demo.layouts import PoolLayout, make_layouts
from proxmon.demo.names import host_name
from proxmon.demo.noise import DAY_SECONDS, between, pick, unit, wander
from proxmon.demo.roles import FIRST_UPDATES, LAST_UPDATES, PLANNED, Role, role_of
from proxmon.demo.zpools import MAIN_POOL, Moment, alloc_bytes
from proxmon.version import __version__

CORES = (8, 12, 16, 24, 32, 48, 64)
SHARED_BYTES = 48 * 10**12  # one backup server for all hosts
MEMORY_GIB = (32, 64, 128, 256, 384, 512, 768, 1024)
# Proxmox VE, kernel and ZFS as they were released together.
RELEASES = (
    ("9.1.2", "6.17.4-1-pve", "2.3.4-pve1"),
    ("9.0.11", "6.14.11-4-pve", "2.3.4-pve1"),
    ("8.4.14", "6.8.12-16-pve", "2.2.8-pve1"),
)
OLD_RELEASE = ("8.2.7", "6.8.12-2-pve", "2.2.6-pve1")
OLD_AGENT_VERSION = "0.0.9"
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class DemoHost:
    """What does not change about a host."""

    index: int
    name: str
    role: Role
    cores: int
    memory_bytes: int
    guests: tuple[DemoGuest, ...]
    layouts: tuple[PoolLayout, ...]

    @property
    def agent_version(self) -> str:
        """Return the version of its agent; who forgets updates forgets this one as well."""
        return OLD_AGENT_VERSION if self.role is Role.NEGLECTED else __version__


@lru_cache(maxsize=1024)
def demo_host(index: int) -> DemoHost:
    """Return the host with that index."""
    guests = make_guests(index)
    wanted = 8 + 1.4 * sum(guest.calling.memory_gib for guest in guests if not guest.is_kept_stopped)
    return DemoHost(
        index=index,
        name=host_name(index),
        role=role_of(index),
        cores=pick(CORES, "cores", index),
        memory_bytes=GIB * next(size for size in MEMORY_GIB if size >= wanted),
        guests=guests,
        layouts=make_layouts(index, host_name(index)),
    )


def uptime_seconds(index: int, now: float) -> float:
    """Return how long the host runs since its last restart, a few times a year."""
    period = DAY_SECONDS * between(40, 160, "restart", index)
    return (now + period * unit("restarted", index)) % period


def host_section(host: DemoHost, states: Sequence[GuestState], now: float) -> Json:
    """Return load and memory: what the guests use, and what the host itself does."""
    busy_cores = sum(state.cpu_percent / 100 * state.guest.calling.cpus for state in states)
    cpu = min(97.0, 100 * busy_cores / host.cores + 1 + 4 * wander(now, 20, "host", host.index))
    loads = [host.cores * cpu / 100 * (0.75 + 0.5 * wander(now, span, "load", host.index)) for span in (60, 300, 900)]
    arc = int(host.memory_bytes * between(0.08, 0.14, "arc", host.index) * (0.9 + 0.1 * wander(now, 600, "arc")))
    guests_memory = sum(state.mem_bytes for state in states)
    return {
        **{name: round(load, 2) for name, load in zip(("load1", "load5", "load15"), loads, strict=True)},
        "cpu_percent": round(cpu, 1),
        "cpu_count": host.cores,
        "mem_used_bytes": min(host.memory_bytes, guests_memory + arc + 2 * GIB),
        "mem_total_bytes": host.memory_bytes,
        "arc_bytes": arc,
        "uptime_seconds": int(uptime_seconds(host.index, now)),
    }


def storage_section(host: DemoHost, moment: Moment) -> Json:
    """Return the host's storages: two on its boot pool, one per further pool, and one that is shared."""
    used = [alloc_bytes(host.index, place, layout, moment) for place, layout in enumerate(host.layouts)]
    sizes = [layout.size_bytes for layout in host.layouts]
    free = sizes[0] - used[0]
    shared = int(SHARED_BYTES * (0.62 + 0.02 * wander(moment.now, DAY_SECONDS, "shared")))
    rows = [
        _storage("local", "dir", int(used[0] * 0.7), int(used[0] * 0.7) + free),
        _storage("local-zfs", "zfspool", int(used[0] * 0.25), int(used[0] * 0.25) + free),
        *(
            _storage(f"{host.layouts[place].name}-guests", "zfspool", used[place], sizes[place])
            for place in range(MAIN_POOL, len(host.layouts))
        ),
        _storage("pbs-main", "pbs", shared, SHARED_BYTES),
    ]
    return {"storages": rows}


def _storage(name: str, kind: str, used: int, total: int) -> Json:
    return {"name": name, "type": kind, "active": True, "used_bytes": used, "total_bytes": total}


def system_section(host: DemoHost, seconds: float) -> Json:
    """Return versions and pending updates so long after the start; only neglected hosts have any."""
    is_neglected = host.role is Role.NEGLECTED
    version, kernel, zfs = OLD_RELEASE if is_neglected else pick(RELEASES, "release", host.index)
    pending = _pending_updates(host.index, seconds) if is_neglected else 0
    return {
        "pve_version": version,
        "zfs_version": zfs,
        "kernel": kernel,
        "pending_updates": pending,
        "security_updates": pending // 6,
        "reboot_required": pending > 0,
        "subscription": "none",
        "node": "pve" if unit("node", host.index) < 0.15 else host.name,
        "os": "Debian GNU/Linux 13 (trixie)" if version.startswith("9") else "Debian GNU/Linux 12 (bookworm)",
    }


def _pending_updates(index: int, seconds: float) -> int:
    """Return how many wait: they were installed once, and then no more; two more come each day."""
    if FIRST_UPDATES.is_on(seconds):
        return int(5 + 2 * (FIRST_UPDATES.since_days + seconds / DAY_SECONDS))
    if not LAST_UPDATES.has_begun(seconds):
        return 0
    most = 23 if index < len(PLANNED) else int(between(3, 60, "updates", index))
    return max(1, int(most + 2 * min(0.0, seconds / DAY_SECONDS)))


def agent_section(host: DemoHost, now: float) -> Json:
    """Return what the agent says of itself; it runs as long as its host."""
    uptime = uptime_seconds(host.index, now)
    names = ("host", "zfs_pools", "storage", "vms_runtime")
    return {
        "version": host.agent_version,
        "cpu_seconds": round(0.8 + uptime * 0.0021, 3),
        "peak_rss_bytes": int(between(17, 24, "rss", host.index) * 2**20),
        "programs_run": 6 + int(uptime / 150),
        "sections": {name: round(0.001 + 0.02 * wander(now, 30, name, host.index), 3) for name in names},
    }
