"""Reads what Proxmox's own status daemon wrote last: its metrics file, or the older list of counters.

`/run/pve/metrics` (Proxmox VE 8.2.5 and later, PVE/PullMetric.pm) holds one JSON object per line, the newest first,
with `node`, `qemu`, `lxc` and `storage`, each `{"timestamp", "data"}`. `/etc/pve/.rrd` holds `key:value:value…` for the
whole cluster (PVE/Service/pvestatd.pm). Both cost less than a millisecond and cannot hang on a dead NFS server.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

from .machine import Machine
from .pve import split_tags

METRICS_PATH = "/run/pve/metrics"
RRD_PATH = "/etc/pve/.rrd"
Row = dict[str, Any]

_STORAGE_KEY = re.compile(r"pve(?:2|-)-?storage(?:-[\d.]+)?/([^/]+)/(.+)")
_GUEST_KEY = re.compile(r"pve(?:2|2\.3|-)-?vm(?:-[\d.]+)?/(\d+)")


class UnreadableStatusError(Exception):
    """The status daemon's file is there but is not what we know."""


class PveStatus:
    """Guests and storages of this node at one moment, in the words of the contract."""

    def __init__(self, written_at: float) -> None:
        self.written_at = written_at
        self.guests: list[Row] = []
        self.storages: list[Row] = []


def read_metrics(machine: Machine) -> PveStatus | None:
    """Return the last cycle of the metrics file, None without such a file.

    Raises:
        UnreadableStatusError: it holds something else.
        PermissionError: it may not be read: it belongs to root and www-data.

    """
    try:
        line = machine.read_first_line(METRICS_PATH)
    except FileNotFoundError:
        return None
    try:
        cycle = json.loads(line)
    except ValueError as error:
        raise UnreadableStatusError(f"{METRICS_PATH} does not begin with a line of JSON") from error
    return parse_cycle(cycle)


def parse_cycle(cycle: Any) -> PveStatus:
    """Read one line of the metrics file."""
    cycle = _objects(cycle)
    if "qemu" not in cycle and "data" in cycle:
        cycle = _objects(cycle["data"])
    parts = {name: _objects(cycle.get(name)) for name in ("qemu", "lxc", "storage")}
    moments = [part["timestamp"] for part in parts.values() if isinstance(part.get("timestamp"), (int, float))]
    if not moments:
        raise UnreadableStatusError(f"{METRICS_PATH} holds no guests and no storages")
    status = PveStatus(written_at=float(min(moments)))
    for guest_type in ("qemu", "lxc"):
        for vmid, row in _objects(parts[guest_type].get("data")).items():
            if vmid.isdigit():
                status.guests.append(guest_row(guest_type, int(vmid), _objects(row)))
    for name, row in _objects(parts["storage"].get("data")).items():
        status.storages.append(storage_row(name, _objects(row)))
    return status


def guest_row(guest_type: str, vmid: int, row: Row) -> Row:
    """Turn Proxmox's record of a guest into the contract's; what it does not say stays out."""
    run_state = row.get("status")
    result: Row = {"vmid": vmid, "name": str(row.get("name") or vmid), "type": guest_type, "status": run_state}
    if row.get("qmpstatus") not in (None, run_state):
        result["qmpstatus"] = row["qmpstatus"]
    if isinstance(row.get("cpu"), (int, float)):
        result["cpu_percent"] = round(100.0 * row["cpu"], 2)
    numbers = {
        "mem": "mem_bytes",
        "maxmem": "maxmem_bytes",
        "uptime": "uptime_seconds",
        "disk": "disk_bytes",
        "maxdisk": "maxdisk_bytes",
        "cpus": "cpus",
        "maxcpu": "cpus",
        "pid": "pid",
    }
    for theirs, ours in numbers.items():
        if isinstance(row.get(theirs), (int, float)):
            result[ours] = row[theirs]
    if row.get("tags"):
        result["tags"] = split_tags(str(row["tags"]))
    if row.get("lock"):
        result["lock"] = str(row["lock"])
    if row.get("template") in (1, "1", True):
        result["template"] = True
    return result


def storage_row(name: str, row: Row) -> Row:
    """Turn Proxmox's record of a storage into the contract's; an inactive storage has no sizes worth showing."""
    active = bool(row.get("active"))
    result: Row = {"name": name, "type": row.get("type"), "active": active}
    if active:
        result["used_bytes"], result["total_bytes"] = row.get("used"), row.get("total")
    for key in ("shared", "enabled"):
        if key in row:
            result[key] = bool(row[key])
    if row.get("content"):
        result["content"] = row["content"]
    return {key: value for key, value in result.items() if value is not None}


def read_rrd(machine: Machine, node: str) -> PveStatus | None:
    """Return what the older list says of this node, None without such a file or without a line of it."""
    text = machine.find_text(RRD_PATH)
    if text is None:
        return None
    guest_types = local_guests(machine, node)
    status = PveStatus(written_at=0.0)
    for line in text.replace("\0", "").splitlines():
        key, _, rest = line.partition(":")
        fields: list[str | None] = [None if value == "U" else value for value in rest.split(":")]
        storage, guest = _STORAGE_KEY.fullmatch(key), _GUEST_KEY.fullmatch(key)
        if storage and storage.group(1) == node and len(fields) >= 3:
            _note_moment(status, fields[0])
            sizes = {"active": 1, "total": _number(fields[1]), "used": _number(fields[2])}
            status.storages.append(storage_row(storage.group(2), sizes))
        elif guest and int(guest.group(1)) in guest_types and len(fields) >= 11:
            _note_moment(status, fields[4])
            vmid = int(guest.group(1))
            status.guests.append(guest_row(guest_types[vmid], vmid, _rrd_guest(fields)))
    return status if status.written_at else None


def local_guests(machine: Machine, node: str) -> dict[int, str]:
    """Return the types of this node's guests by vmid from the cluster's list of guests."""
    try:
        ids = _objects(_objects(json.loads(machine.read_text("/etc/pve/.vmlist"))).get("ids"))
    except (OSError, ValueError):
        return {}
    rows = {int(vmid): _objects(row) for vmid, row in ids.items() if vmid.isdigit()}
    return {vmid: str(row.get("type")) for vmid, row in rows.items() if row.get("node") == node}


def _rrd_guest(fields: list[str | None]) -> Row:
    """Name the fields of a guest's line: uptime, name, status, template, time, then the numbers below."""
    names = ("cpus", "cpu", "maxmem", "mem", "maxdisk", "disk")
    row: Row = {name: _number(value) for name, value in zip(names, fields[5:11])}
    row.update(uptime=_number(fields[0]), name=fields[1], template=fields[3])
    # The list knows one word only, where others have two: anything but stopped has a process.
    row.update(qmpstatus=fields[2], status="stopped" if fields[2] == "stopped" else "running")
    return row


def _note_moment(status: PveStatus, text: str | None) -> None:
    moment = _number(text)
    if moment:
        status.written_at = max(status.written_at, float(moment))


def _number(text: str | None) -> Any:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return int(value) if value is not None and value.is_integer() else value


def _objects(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
