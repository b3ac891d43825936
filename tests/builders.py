"""Builders of the nouns that tests speak of: every part has a sensible default, and tests name what matters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from proxmon.alerts.model import AlertEvent, EventKind, Severity
from proxmon.fleet import Host, HostSnapshot
from proxmon.payload import Tier
from proxmon.samples import DEFAULT_INTERVALS, Sample, read_other_sections, read_payload

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def iso(moment: datetime) -> str:
    """Return a moment as an agent writes it."""
    return moment.isoformat().replace("+00:00", "Z")


def a_host(**changes: Any) -> Host:
    """Return a host."""
    return Host(**({"id": 1, "name": "pve-01", "created_at": NOW - DAY} | changes))


def a_pool(**changes: Any) -> dict[str, Any]:
    """Return a healthy pool that was scrubbed ten days ago, as it stands in a payload."""
    pool = {
        "name": "rpool",
        "health": "ONLINE",
        "capacity_percent": 42,
        "fragmentation_percent": 7,
        "size_bytes": 1_000_000_000_000,
        "alloc_bytes": 420_000_000_000,
        "free_bytes": 580_000_000_000,
        "error_count": 0,
        "data_error_count": 0,
        "vdev_count": 3,
        "degraded_vdev_count": 0,
        "redundancy_left": 1,
        "last_scrub_end": iso(NOW - 10 * DAY),
        "scan": {"function": "scrub", "state": "finished", "errors": 0, "end_at": iso(NOW - 10 * DAY)},
        "vdevs": [a_mirror()],
    }
    return pool | changes


def a_mirror(**changes: Any) -> dict[str, Any]:
    """Return a mirror of two disks."""
    mirror = {"name": "mirror-0", "kind": "mirror", "class": "data", "state": "ONLINE"}
    return mirror | {"children": [a_disk(name="sda"), a_disk(name="sdb")]} | changes


def a_disk(**changes: Any) -> dict[str, Any]:
    """Return a disk without errors."""
    counts = {"read_errors": 0, "write_errors": 0, "checksum_errors": 0}
    return {"name": "sda", "kind": "disk", "class": "data", "state": "ONLINE"} | counts | changes


def a_guest(**changes: Any) -> dict[str, Any]:
    """Return a running VM, as it stands in a fast payload."""
    guest = {"vmid": 100, "name": "web-01", "type": "qemu", "status": "running", "cpu_percent": 3.5}
    return guest | {"mem_bytes": 2**30, "maxmem_bytes": 2**31, "uptime_seconds": 3600} | changes


def a_fast_payload(**changes: Any) -> dict[str, Any]:
    """Return what a healthy host says in a fast sample."""
    payload = {
        "host": {
            "load1": 0.5,
            "load5": 0.4,
            "load15": 0.3,
            "cpu_percent": 12.5,
            "mem_used_bytes": 8 * 2**30,
            "mem_total_bytes": 32 * 2**30,
            "arc_bytes": 4 * 2**30,
            "uptime_seconds": 864_000,
        },
        "zfs_pools": {"pools": [a_pool()]},
        "storage": {
            "storages": [
                {"name": "local-zfs", "type": "zfspool", "used_bytes": 100, "total_bytes": 1000, "active": True}
            ]
        },
        "vms_runtime": {"vms": [a_guest()]},
    }
    return payload | changes


def a_dataset(**changes: Any) -> dict[str, Any]:
    """Return a dataset whose oldest snapshot is a week old."""
    dataset = {"name": "rpool/data", "used_bytes": 10**9, "avail_bytes": 10**10, "snapshot_count": 7}
    newest, oldest = (NOW - timedelta(hours=1)).timestamp(), (NOW - 7 * DAY).timestamp()
    return dataset | {"newest_snapshot_unix": newest, "oldest_snapshot_unix": oldest} | changes


def a_medium_payload(**changes: Any) -> dict[str, Any]:
    """Return what a healthy host says in a medium sample."""
    guest = {"vmid": 100, "type": "qemu", "name": "web-01", "ips": ["10.0.0.17"], "macs": ["bc:24:11:00:00:01"]}
    return {"zfs_datasets": {"datasets": [a_dataset()]}, "vms_detail": {"vms": [guest]}} | changes


def a_slow_payload(**changes: Any) -> dict[str, Any]:
    """Return what an up-to-date host says in a slow sample."""
    system = {"pve_version": "9.1.2", "zfs_version": "2.3.4", "kernel": "6.14.11-4-pve", "pending_updates": 0}
    return {"system_info": system | {"reboot_required": False}} | changes


PAYLOADS = {Tier.FAST: a_fast_payload, Tier.MEDIUM: a_medium_payload, Tier.SLOW: a_slow_payload}


def a_sample(host_id: int = 1, tier: str = "fast", payload: dict[str, Any] | None = None, **changes: Any) -> Sample:
    """Return a sample that was collected and received now."""
    kind = Tier(tier)
    raw = json.dumps(PAYLOADS[kind]() if payload is None else payload).encode()
    collected_at = changes.pop("collected_at", NOW)
    received_at = changes.pop("received_at", collected_at)
    values: dict[str, Any] = {
        "host_id": host_id,
        "tier": kind,
        "collected_at": collected_at,
        "received_at": received_at,
        "observed_at": collected_at,
        "fresh_at": collected_at,
        "interval_seconds": DEFAULT_INTERVALS[kind],
        "clock_offset_seconds": 0.0,
        "agent_version": "0.1.0",
        "raw": raw,
        "payload": read_payload(kind, raw),
        "other_sections": read_other_sections(kind, raw),
    }
    return Sample(**(values | changes))


def a_snapshot(*samples: Sample, **changes: Any) -> HostSnapshot:
    """Return a host that sent these samples; without any, one healthy sample of every tier, seen just now."""
    sent = samples or tuple(a_sample(tier=tier) for tier in ("fast", "medium", "slow"))
    seen_at = changes.pop("last_seen_at", max(sample.received_at for sample in sent))
    host = changes.pop("host", a_host())
    return HostSnapshot(host, **changes).with_samples(sent, seen_at)


def a_message(*samples: dict[str, Any], **changes: Any) -> bytes:
    """Return the body of an agent's message with these samples; without any, one fast sample of now."""
    sent = samples or (a_wire_sample(),)
    return json.dumps({"agent_version": "0.1.0", "interval_s": 10, "samples": list(sent)} | changes).encode()


def a_wire_sample(tier: str = "fast", **changes: Any) -> dict[str, Any]:
    """Return a sample as it stands in a message."""
    return {"tier": tier, "collected_at": iso(NOW), "payload": PAYLOADS[Tier(tier)]()} | changes


def an_opened_alert(**changes: Any) -> AlertEvent:
    """Return the event that opened an alert on a pool which fills."""
    values: dict[str, Any] = {
        "alert_id": 1,
        "host_id": 1,
        "happened_at": NOW,
        "kind": EventKind.OPENED,
        "severity": Severity.WARNING,
        "cause": "zpool_capacity",
        "rule": "zpool_capacity",
        "subject": "tank",
        "message": "tank is 85 % full",
        "value": 85.0,
        "unit": "%",
        "threshold": "warning from 80 %",
        "clears_when": "Delete `data`.",
        "began_at": NOW - timedelta(minutes=1),
    }
    return AlertEvent(**(values | changes))
