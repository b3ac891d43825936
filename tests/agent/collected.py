"""The real collectors on the recorded hypervisor, and what they gather of each tier."""

from __future__ import annotations

from typing import Any

from hypervisor import Hypervisor

from proxmon.agent.machine import Machine
from proxmon.agent.programs import Programs
from proxmon.agent.sections import TierCollector
from proxmon.agent.settings import Settings
from proxmon.agent.tiers import build_tiers

_opened: list[Machine] = []


def machine_of(hypervisor: Hypervisor) -> Machine:
    machine = Machine(str(hypervisor.root), Programs(hypervisor.path))
    _opened.append(machine)
    return machine


def stop_all() -> None:
    """Stop the programs of all machines that were made."""
    while _opened:
        _opened.pop().programs.stop_all()


def tiers_of(hypervisor: Hypervisor, **changes: Any) -> dict[str, TierCollector]:
    settings = Settings(**{"server": "", "token": "", "interval": 10.0, "zpool_interval": 0.001, **changes})
    return build_tiers(machine_of(hypervisor), settings)


def fast(hypervisor: Hypervisor) -> dict[str, Any]:
    return tiers_of(hypervisor)["fast"].gather()


def medium(hypervisor: Hypervisor) -> dict[str, Any]:
    return tiers_of(hypervisor)["medium"].gather()


def slow(hypervisor: Hypervisor) -> dict[str, Any]:
    return tiers_of(hypervisor)["slow"].gather()
