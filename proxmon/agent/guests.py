"""Collects the sections `vms_runtime` and `storage` from the cheapest source that this Proxmox version has."""

from __future__ import annotations

import json
import threading
from typing import Any, cast

from . import pve, pve_status
from .machine import Machine
from .programs import ProgramError
from .pve_status import PveStatus, Row, UnreadableStatusError
from .sections import Section, SectionError
from .zfs import checked

SAME_TICK_SECONDS = 2.0  # the two sections of one tick share one reading
STALE_SECONDS = 90.0  # the daemon writes every 10 s, later while it waits for a dead storage
PVESH_SECONDS = 30.0
PVESH_PAUSE_SECONDS = 60.0  # each call costs about a second of CPU


class GuestsAndStorages:
    """Reads the state of this node's guests and storages once per tick, for both sections."""

    def __init__(self, machine: Machine, configs: pve.GuestConfigs) -> None:
        self._machine = machine
        self._configs = configs
        self._lock = threading.Lock()
        self._status: PveStatus | None = None
        self._error: Exception | None = None
        self._read_at: float | None = None
        self._seen: dict[str, Any] = {}
        self._pvesh_at: float | None = None
        self._pvesh_status: PveStatus | None = None

    def collect_guests(self) -> Section:
        """Return the section `vms_runtime`."""
        if not pve.is_node(self._machine):
            return {"vms": []}
        try:
            guests = self._current().guests
        except SectionError as error:
            guests = self._guests_by_process()
            if not guests:
                raise
            return {"vms": guests, "incomplete": f"only run states are known: {error}"}
        return {"vms": [self._with_config(guest) for guest in sorted(guests, key=lambda guest: guest["vmid"])]}

    def collect_storages(self) -> Section:
        """Return the section `storage`."""
        if not pve.is_node(self._machine):
            return {"storages": []}
        types = storage_types(self._machine)
        rows = self._current().storages
        listed = {row["name"] for row in rows}
        for row in rows:
            row.setdefault("type", types.get(row["name"], {}).get("type"))
        rows = rows + [_silent_storage(name, settings) for name, settings in types.items() if name not in listed]
        here = pve.node_name(self._machine)
        return {"storages": [row for row in rows if _is_for(types.get(row["name"], {}), here)]}

    def running_pids(self) -> dict[int, int]:
        """Return the process of each running guest by vmid, as far as the last reading told it."""
        status = self._status
        return {row["vmid"]: row["pid"] for row in (status.guests if status else []) if row.get("pid")}

    def run_states(self) -> dict[pve.GuestKey, str]:
        """Return the last known run state of each guest."""
        status = self._status
        return {(row["type"], row["vmid"]): row.get("status", "") for row in (status.guests if status else [])}

    def _current(self) -> PveStatus:
        with self._lock:
            now = self._machine.monotonic()
            if self._read_at is None or now - self._read_at >= SAME_TICK_SECONDS:
                self._read_at, self._status, self._error = now, None, None
                try:
                    self._status = self._read()
                except (SectionError, ProgramError) as error:
                    self._error = error
            if self._status is None:
                raise SectionError(str(self._error))
            return self._status

    def _read(self) -> PveStatus:
        reason = ""
        try:
            status = pve_status.read_metrics(self._machine)
        except (UnreadableStatusError, OSError) as error:
            status, reason = None, str(error)
        if status is None:
            status = pve_status.read_rrd(self._machine, pve.node_name(self._machine))
        if status is not None:
            self._refuse_stale(status)
            return status
        try:
            return self._ask_pvesh()
        except (ProgramError, SectionError) as error:
            raise SectionError(f"{reason}; {error}" if reason else str(error)) from error

    def _refuse_stale(self, status: PveStatus) -> None:
        """Refuse a status that is written no more; its age is measured on a clock that never steps."""
        now = self._machine.monotonic()
        if self._seen.get("written_at") != status.written_at:
            first_age = max(0.0, self._machine.wall_clock() - status.written_at) if not self._seen else 0.0
            self._seen = {"written_at": status.written_at, "since": now - first_age}
        age = now - self._seen["since"]
        if age > STALE_SECONDS:
            raise SectionError(f"pvestatd has written nothing for {age:.0f} s: a storage that hangs can block it")

    def _ask_pvesh(self) -> PveStatus:
        now = self._machine.monotonic()
        if self._pvesh_status is None or self._pvesh_at is None or now - self._pvesh_at >= PVESH_PAUSE_SECONDS:
            argv = ("pvesh", "get", "/cluster/resources", "--output-format", "json")
            text = checked(self._machine.programs.run(argv, PVESH_SECONDS), "pvesh")
            self._pvesh_status = parse_resources(text, pve.node_name(self._machine), self._machine.wall_clock())
            self._pvesh_at = now
        return self._pvesh_status

    def _with_config(self, guest: Row) -> Row:
        """Add what only the configuration says, for sources that leave tags, lock or template out."""
        config = self._configs.configs().get((guest["type"], guest["vmid"]))
        row = {key: value for key, value in guest.items() if key != "pid"}
        if config is None:
            return row
        row.setdefault("tags", config.tags)
        if config.settings.get("lock"):
            row.setdefault("lock", config.settings["lock"])
        row.setdefault("template", config.settings.get("template") == "1")
        row["onboot"] = config.settings.get("onboot") == "1"
        return row

    def _guests_by_process(self) -> list[Row]:
        """Tell only which guests run, from their process or control group, when nobody tells more."""
        rows: list[Row] = []
        for (guest_type, vmid), config in sorted(self._configs.configs().items(), key=lambda item: item[0][1]):
            is_running = self._has_process(guest_type, vmid)
            row: Row = {"vmid": vmid, "name": config.name, "type": guest_type}
            row["status"] = "running" if is_running else "stopped"
            rows.append(self._with_config(row))
        return rows

    def _has_process(self, guest_type: str, vmid: int) -> bool:
        if guest_type == "lxc":
            return self._machine.exists(f"/sys/fs/cgroup/lxc/{vmid}") or self._machine.exists(
                f"/sys/fs/cgroup/systemd/lxc/{vmid}"
            )
        pid = (self._machine.find_text(f"/run/qemu-server/{vmid}.pid") or "").strip()
        return pid.isdigit() and self._machine.exists(f"/proc/{pid}")


def parse_resources(text: str, node: str, now: float) -> PveStatus:
    """Read `pvesh get /cluster/resources`, keeping what lies on one node.

    Raises:
        SectionError: it is no list of resources, or none of this node.

    """
    try:
        rows: Any = json.loads(text)
    except ValueError as error:
        raise SectionError("pvesh printed no JSON") from error
    if not isinstance(rows, list):
        raise SectionError("pvesh printed no list of resources")
    records = [cast("Row", row) for row in cast("list[Any]", rows) if isinstance(row, dict)]
    nodes = {str(row.get("node")) for row in records if row.get("node")}
    if node not in nodes:
        if len(nodes) > 1:
            raise SectionError(f"the node {node} is not among the cluster's: {', '.join(sorted(nodes))}")
        node = next(iter(nodes), node)
    status = PveStatus(written_at=now)
    for row in (row for row in records if row.get("node") == node):
        if row.get("type") in ("qemu", "lxc") and str(row.get("vmid", "")).isdigit():
            status.guests.append(pve_status.guest_row(row["type"], int(row["vmid"]), row))
        elif row.get("type") == "storage":
            sizes = {"active": row.get("status") == "available", "used": row.get("disk"), "total": row.get("maxdisk")}
            facts = {**row, **sizes, "type": row.get("plugintype")}
            status.storages.append(pve_status.storage_row(str(row.get("storage")), facts))
    return status


def storage_types(machine: Machine) -> dict[str, dict[str, str]]:
    """Return the settings of each configured storage by name, its `type` among them."""
    storages: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in (machine.find_text("/etc/pve/storage.cfg") or "").splitlines():
        words = line.split(None, 1)
        if words and not line[0].isspace() and words[0].endswith(":") and len(words) == 2:
            current = storages.setdefault(words[1].strip(), {"type": words[0][:-1]})
        elif words and line[0].isspace():
            current[words[0]] = words[1].strip() if len(words) == 2 else "1"
    return storages


def _silent_storage(name: str, settings: dict[str, str]) -> Row:
    """Describe a storage that is configured and not reported: switched off, or not active."""
    enabled = settings.get("disable") != "1"
    return {"name": name, "type": settings["type"], "active": False, "enabled": enabled}


def _is_for(settings: dict[str, str], node: str) -> bool:
    nodes = settings.get("nodes")
    return nodes is None or node in nodes.replace(",", " ").split()
