"""The long tables of a host's page: its datasets and its guests, as rows with keys."""

from __future__ import annotations

from dashboards.components import Column, Message
from dashboards.formats import share
from dashboards.newest import Newest
from proxmon.findings import Verdict
from proxmon.guests import Guest, list_guests
from proxmon.payload import Dataset

DATASET_COLUMNS = (
    Column("name", "Dataset", "path"),
    Column("used", "Used", "bytes"),
    Column("available", "Available", "bytes"),
    Column("count", "Snapshots", "count"),
    Column("newest", "Newest", "age"),
    Column("oldest", "Oldest", "judged-age"),
)
GUEST_COLUMNS = (
    Column("vmid", "ID", "number"),
    Column("name", "Name", "name"),
    Column("type", "Type", "guest-type"),
    Column("run_state", "State", "run-state"),
    Column("cpu", "CPU", "percent"),
    Column("memory", "Memory", "share"),
    Column("uptime", "Uptime", "span"),
    Column("ips", "IP addresses", "list", is_sortable=False),
    Column("tags", "Tags", "tags", is_sortable=False, is_optional=True),
)


def dataset_rows(newest: Newest) -> list[Message]:
    """List the datasets with their snapshots; times are seconds since 1970."""
    finding = newest.judged.status.find("snapshot_age")
    judged = {detail.subject: detail.verdict for detail in finding.details} if finding else {}
    return [_dataset(dataset, judged.get(dataset.name)) for dataset in newest.datasets.datasets or ()]


def _dataset(dataset: Dataset, verdict: Verdict | None) -> Message:
    return {
        "key": dataset.name,
        "name": dataset.name,
        "used": dataset.used_bytes,
        "available": dataset.avail_bytes,
        "count": dataset.snapshot_count,
        "newest": dataset.newest_snapshot_unix,
        "oldest": dataset.oldest_snapshot_unix,
        "verdict": verdict.value if verdict else "",
    }


def guest_rows(newest: Newest) -> list[Message]:
    """List the guests with what they use; on a host that is offline their run state is not known."""
    return [_guest(guest) for guest in list_guests(newest.judged)]


def _guest(guest: Guest) -> Message:
    memory = share(guest.mem_bytes, guest.maxmem_bytes)
    return {
        "key": f"{guest.type}/{guest.vmid}",
        "vmid": guest.vmid,
        "name": guest.name,
        "type": guest.type,
        "run_state": guest.run_state,
        "cpu": None if guest.cpu_percent is None else round(guest.cpu_percent, 1),
        "memory": None if memory is None else round(memory, 1),
        "memory_used": guest.mem_bytes,
        "memory_all": guest.maxmem_bytes,
        "uptime": guest.uptime_seconds or None,
        "ips": None if guest.ips is None else list(guest.ips),
        "tags": list(guest.tags),
        "lock": guest.lock or "",
        "template": guest.is_template,
    }
