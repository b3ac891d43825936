"""The guests of a simulated host: who they are, and what each does at a moment."""

from __future__ import annotations

from dataclasses import dataclass

from proxmon.demo.names import CALLINGS, Calling
from proxmon.demo.noise import DAY_SECONDS, activity, between, pick, unit, wander

GIB = 2**30
FEWEST, MOST = 5, 40
RUN_SECONDS = 97.0  # how long a build keeps its runner busy
BACKUP_FROM_SECONDS, BACKUP_GUEST_SECONDS = 7_500.0, 240.0  # nightly from 02:05 on, one guest after the other
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Habits:
    """What does not change about how a guest behaves; a runner runs on demand only."""

    is_runner: bool
    is_kept_stopped: bool
    peak_percent: float
    memory_share: float
    restart_seconds: float
    restarted_share: float


@dataclass(frozen=True, slots=True)
class DemoGuest:
    """A guest as its configuration has it; ``place`` counts the guests of its host."""

    host_index: int
    place: int
    vmid: int
    calling: Calling
    habits: Habits

    @property
    def is_template(self) -> bool:
        """Tell whether it is only there to be copied."""
        return "template" in self.calling.tags

    @property
    def is_kept_stopped(self) -> bool:
        """Tell whether nobody needs it at present."""
        return self.habits.is_kept_stopped

    @property
    def starts_with_host(self) -> bool:
        """Tell whether it should always run; runners of builds come and go."""
        return not self.is_kept_stopped and not self.habits.is_runner


@dataclass(frozen=True, slots=True)
class GuestState:
    """What a guest does at one moment; all numbers are 0 when it does not run."""

    guest: DemoGuest
    is_running: bool
    is_backed_up_now: bool
    cpu_percent: float
    mem_bytes: int
    uptime_seconds: int


def make_guests(host_index: int) -> tuple[DemoGuest, ...]:
    """Return the guests of a host by vmid."""
    count = FEWEST + int((MOST - FEWEST + 1) * unit("guests", host_index) ** 1.7)  # most hosts have few
    callings = sorted(CALLINGS, key=lambda calling: unit("calling", host_index, calling.name))[:count]
    first = 100 * (1 + host_index % 9)
    return tuple(
        DemoGuest(host_index, place, first + place, calling, _habits(calling, host_index, first + place))
        for place, calling in enumerate(callings)
    )


def _habits(calling: Calling, *key: int) -> Habits:
    is_runner = calling.name.startswith("ci-runner")
    return Habits(
        is_runner=is_runner,
        is_kept_stopped="template" in calling.tags or (not is_runner and unit("stopped", *key) < 0.07),
        peak_percent=between(6, 60, "peak", *key) * (2.0 if is_runner else 1.0),
        memory_share=between(0.3, 0.8, "mem", *key),
        restart_seconds=DAY_SECONDS * pick((9, 16, 30, 60, 90), "restart", *key),
        restarted_share=unit("restarted", *key),
    )


def guest_state(guest: DemoGuest, now: float, host_uptime: float) -> GuestState:
    """Return what the guest does; it never runs for longer than its host."""
    key, habits = (guest.host_index, guest.vmid), guest.habits
    if not _is_running(guest, now):
        return GuestState(guest, False, False, 0.0, 0, 0)
    busy = 0.15 + 0.85 * activity(now)
    cpu = min(100.0, 0.3 + habits.peak_percent * busy * wander(now, 45, "cpu", *key) ** 2)
    share = habits.memory_share + 0.12 * wander(now, 1_800, "mem", *key)
    return GuestState(
        guest=guest,
        is_running=True,
        is_backed_up_now=_is_backed_up(guest, now),
        cpu_percent=round(cpu, 2),
        mem_bytes=int(guest.calling.memory_gib * GIB * share) // 4096 * 4096,
        uptime_seconds=int(min(_own_uptime(guest, now), max(0.0, host_uptime - 20 - 5 * guest.place))),
    )


def runtime_row(state: GuestState) -> Json:
    """Return the guest's row in a fast sample."""
    guest, calling = state.guest, state.guest.calling
    row: Json = {
        "vmid": guest.vmid,
        "name": calling.name,
        "type": calling.type,
        "status": "running" if state.is_running else "stopped",
        "cpu_percent": state.cpu_percent,
        "mem_bytes": state.mem_bytes,
        "maxmem_bytes": calling.memory_gib * GIB,
        "uptime_seconds": state.uptime_seconds,
        "cpus": calling.cpus,
        "tags": list(calling.tags),
        "onboot": guest.starts_with_host,
    }
    if guest.is_template:
        row["template"] = True
    if state.is_backed_up_now:
        row["lock"] = "backup"
    return row


def detail_row(state: GuestState) -> Json:
    """Return the guest's row in a medium sample; the addresses of one that does not run are not known."""
    guest = state.guest
    row: Json = {
        "vmid": guest.vmid,
        "type": guest.calling.type,
        "name": guest.calling.name,
        "macs": [mac_address(guest)],
        "tags": list(guest.calling.tags),
        "onboot": guest.starts_with_host,
    }
    if state.is_running:
        row["ips"] = ip_addresses(guest)
        row["ips_source"] = "container" if guest.calling.type == "lxc" else "guest-agent"
    return row


def mac_address(guest: DemoGuest) -> str:
    """Return the address of the guest's network card, below the prefix that Proxmox gives out."""
    number = int(unit("mac", guest.host_index, guest.vmid) * 2**24)
    return ":".join(f"{byte:02X}" for byte in (0xBC, 0x24, 0x11, *number.to_bytes(3)))


def ip_addresses(guest: DemoGuest) -> list[str]:
    """Return the guest's private IPv4 address and, in most guests, a unique local IPv6 address."""
    site, host = divmod(guest.host_index, 250)
    addresses = [f"10.{20 + site}.{host + 1}.{guest.place + 10}"]
    if unit("ipv6", guest.host_index, guest.vmid) < 0.8:
        addresses.append(f"fd4a:9c1e:{guest.host_index + 1:x}::{guest.vmid:x}")
    return addresses


def _is_running(guest: DemoGuest, now: float) -> bool:
    if guest.habits.is_runner:
        key = ("run", guest.host_index, guest.vmid)
        return unit(now // RUN_SECONDS, *key) < 0.25 + 0.6 * activity(now)
    return not guest.is_kept_stopped


def _own_uptime(guest: DemoGuest, now: float) -> float:
    """Return the time since its own last start: at each build, or every few weeks."""
    if guest.habits.is_runner:
        return now % RUN_SECONDS
    period = guest.habits.restart_seconds
    return (now + period * guest.habits.restarted_share) % period


def _is_backed_up(guest: DemoGuest, now: float) -> bool:
    since = now % DAY_SECONDS - BACKUP_FROM_SECONDS - guest.place * BACKUP_GUEST_SECONDS
    return 0 <= since < BACKUP_GUEST_SECONDS
