"""Collects the section `zfs_pools`: what `zpool` says, and the kernel's own word when `zpool` hangs."""

from __future__ import annotations

from datetime import timezone
from typing import Any

from . import zfs
from .flights import Flight, StillWaitingError
from .machine import Machine
from .programs import Finished, ProgramError
from .sections import Section, SectionError
from .zfs_json import ParseError
from .zpool_list import parse_zpool_list
from .zpool_status import parse_zpool_status
from .zpool_status_json import parse_zpool_status_json

COLUMNS = "name,health,capacity,fragmentation,size,allocated,free"
Pools = list[dict[str, Any]]


class PoolsSection:
    """Collects the pools.

    Where the kernel tells the pools' states, `zpool` is only asked when one of them changed or after
    `refresh_seconds`; elsewhere each time. When `zpool` gives no answer, the pools carry name and health alone and
    `incomplete` says why: so a pool that is suspended, on which `zpool` hangs, is still seen as suspended.
    """

    def __init__(self, machine: Machine, wait_seconds: float, refresh_seconds: float) -> None:
        self._machine = machine
        self._wait_seconds = wait_seconds
        self._refresh_seconds = refresh_seconds
        self._flight: Flight[Pools] = Flight("zpool", self._ask_zpool)
        self._json_fails = False
        self._states: dict[str, str] | None = None
        self._pools: Pools = []
        self._asked_at: float | None = None

    def collect(self) -> Section:
        """Return the section."""
        states = zfs.kernel_pool_states(self._machine)
        if zfs.is_absent(self._machine) or states == {}:
            return {"pools": []}
        if states is not None and states == self._states and not self._is_old():
            return {"pools": self._pools}
        try:
            self._flight.start()
            pools = self._flight.answer(self._wait_seconds)
        except (StillWaitingError, ProgramError, SectionError) as error:
            self._states = None
            if states is None:
                raise SectionError(f"zpool: {error}" if isinstance(error, StillWaitingError) else str(error)) from error
            return {"pools": _bare_pools(states), "incomplete": f"only the kernel's pool states are known: {error}"}
        known = {pool["name"] for pool in pools}
        pools += _bare_pools({name: state for name, state in (states or {}).items() if name not in known})
        self._states, self._pools, self._asked_at = states, pools, self._machine.monotonic()
        return {"pools": pools}

    def _is_old(self) -> bool:
        return self._asked_at is None or self._machine.monotonic() - self._asked_at >= self._refresh_seconds

    def _ask_zpool(self) -> Pools:
        listing = self._run("zpool", "list", "-Hp", "-o", COLUMNS)
        if zfs.has_no_module(listing) and not self._machine.exists("/etc/zfs/zpool.cache"):
            return []
        sizes = {row["name"]: row for row in parse_zpool_list(zfs.checked(listing, "zpool list"))}
        pools = self._status()
        if listing.stdout.strip() and not sizes:
            raise SectionError(f"zpool list names no pool: {zfs.first_line(listing.stdout)}")
        return [{**pool, **sizes.pop(pool["name"], {})} for pool in pools] + list(sizes.values())

    def _status(self) -> Pools:
        if zfs.version_number(zfs.module_version(self._machine)) >= (2, 3) and not self._json_fails:
            finished = self._run("zpool", "status", "-j", "--json-int")
            try:
                return parse_zpool_status_json(zfs.checked(finished, "zpool status -j"), timezone.utc)
            except (ParseError, SectionError):
                # The program can be older than the module (a half-done upgrade): its text is good as well.
                self._json_fails = finished.returncode == 2
        finished = self._run("zpool", "status", "-p")
        if finished.returncode == 2:
            finished = self._run("zpool", "status")
        text = zfs.checked(finished, "zpool status")
        pools = parse_zpool_status(text, timezone.utc)
        if not pools and "no pools available" not in text + finished.stderr:
            raise SectionError(f"zpool status names no pool: {zfs.first_line(text)}")
        return pools

    def _run(self, *argv: str) -> Finished:
        return self._machine.programs.run(argv, zfs.PROGRAM_SECONDS)


def _bare_pools(states: dict[str, str]) -> Pools:
    return [{"name": name, "health": state} for name, state in states.items()]
