"""Puts the sections together into the three tiers of one machine."""

from __future__ import annotations

from . import pve
from .backups import BackupsSection
from .datasets import DatasetsSection
from .disks import DisksSection
from .guest_details import GuestDetails
from .guests import GuestsAndStorages
from .machine import Machine
from .pools import PoolsSection
from .procfs import HostSection
from .pve_api import GuestAgentApi
from .sections import TierCollector, TierPlan
from .settings import Settings
from .system import SystemSection

# How long one section may keep the others of its tier waiting; with --once there is time for slow answers.
FAST_WAIT_SECONDS = 4.0
SLOW_WAIT_SECONDS = 60.0
ONCE_WAIT_SECONDS = 20.0


def build_tiers(machine: Machine, settings: Settings) -> dict[str, TierCollector]:
    """Return the collectors of the tiers fast, medium and slow, in this order."""
    fast_wait = min(FAST_WAIT_SECONDS, max(0.5, settings.interval / 2))
    slow_wait = SLOW_WAIT_SECONDS
    if settings.once:
        fast_wait = slow_wait = ONCE_WAIT_SECONDS
    configs = pve.GuestConfigs(machine)
    guests = GuestsAndStorages(machine, configs)
    # The pools give up before their section does, so that the kernel's word on them is still in time.
    pools = PoolsSection(machine, fast_wait * 0.75, settings.zpool_interval)
    fast = {
        "host": HostSection(machine).collect,
        "zfs_pools": pools.collect,
        "storage": guests.collect_storages,
        "vms_runtime": guests.collect_guests,
    }
    medium = {
        "zfs_datasets": DatasetsSection(machine, slow_wait / 2).collect,
        "vms_detail": GuestDetails(machine, configs, guests, _api(machine, settings)).collect,
        "backups": BackupsSection(machine, guests).collect,
    }
    slow = {"system_info": SystemSection(machine).collect, "disks": DisksSection(machine).collect}
    plans = [
        TierPlan("fast", settings.interval, fast_wait, fast),
        TierPlan("medium", settings.medium_interval, slow_wait, medium),
        TierPlan("slow", settings.slow_interval, slow_wait, slow),
    ]
    return {plan.name: TierCollector(plan, machine.wall_clock) for plan in plans}


def _api(machine: Machine, settings: Settings) -> GuestAgentApi | None:
    if not settings.pve_token:
        return None
    return GuestAgentApi(machine, settings.pve_url, settings.pve_token, settings.pve_ca_file)
