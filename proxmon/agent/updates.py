"""Counts pending package updates without touching the package database, and never says 0 when it does not know."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from .machine import Machine
from .message import iso_utc
from .programs import ProgramError

PVE_LIST = "/var/lib/pve-manager/pkgupdates"
APT_CACHE = "/var/cache/apt/pkgcache.bin"
APT_LISTS = "/var/lib/apt/lists"
DPKG_STATUS = "/var/lib/dpkg/status"
SIMULATION_SECONDS = 40.0
SIMULATION = ("apt-get", "-s", "-q", "-o", "Debug::NoLocking=1", "dist-upgrade")

_INSTALL = re.compile(r"^Inst (\S+) \[[^\]]*\] \((.*)\)", re.MULTILINE)


class Updates:
    """Asks apt what an upgrade would do, again only after its lists or the installed packages changed."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._stamp: tuple[Any, ...] | None = None
        self._simulated: dict[str, int] | None = None

    def facts(self) -> dict[str, Any]:
        """Return `pending_updates` and `security_updates` as far as they are known, and how old the lists are."""
        counted = count_pve_updates(self._machine)
        result: dict[str, Any] = {} if counted is None else {"pending_updates": counted}
        if not self._has_lists():
            return result
        simulated = self._simulate()
        if simulated is not None:
            result.setdefault("pending_updates", simulated["pending_updates"])
            result["security_updates"] = simulated["security_updates"]
        listed_at = self._machine.modified_at(APT_LISTS)
        if listed_at is not None:
            result["package_lists_at"] = iso_utc(listed_at)
        return result

    def _has_lists(self) -> bool:
        """Without package lists, as in a fresh image, a simulation finds nothing to do: that is not the same as 0."""
        return any(name.endswith("_Packages") or "_Packages." in name for name in self._machine.list_folder(APT_LISTS))

    def _simulate(self) -> dict[str, int] | None:
        stamp = tuple(map(self._machine.modified_at, (APT_CACHE, APT_LISTS, DPKG_STATUS)))
        if self._simulated is None or stamp != self._stamp:
            try:
                finished = self._machine.programs.run(SIMULATION, SIMULATION_SECONDS)
            except ProgramError:
                return None
            self._simulated = count_simulated(finished.stdout) if finished.returncode == 0 else None
            self._stamp = stamp
        return self._simulated


def count_pve_updates(machine: Machine) -> int | None:
    """Return the length of Proxmox's daily list, None when it is missing or older than what it was made from."""
    written_at = machine.modified_at(PVE_LIST)
    sources = [machine.modified_at(path) for path in (APT_CACHE, DPKG_STATUS)]
    if written_at is None or any(moment is None or moment > written_at for moment in sources):
        return None
    try:
        updates: Any = json.loads(machine.read_text(PVE_LIST))
    except (OSError, ValueError):
        return None
    return len(cast("list[Any]", updates)) if isinstance(updates, list) else None


def count_simulated(text: str) -> dict[str, int]:
    """Count the upgrades of `apt-get -s dist-upgrade`: lines `Inst NAME [OLD] (NEW ORIGIN:… [ARCH])`."""
    origins = [match.group(2) for match in _INSTALL.finditer(text)]
    security = sum("security" in origin.lower() for origin in origins)
    return {"pending_updates": len(origins), "security_updates": security}
