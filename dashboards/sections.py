"""The server-rendered sections of a host's page: what each template is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec
from markupsafe import Markup

from dashboards.findings import finding_rows
from dashboards.forecasts import find_forecast
from dashboards.formats import decimal, duration, percent, plain, share, size
from dashboards.newest import Newest
from dashboards.templating import render
from dashboards.wording import rule_label
from dashboards.zpools import zpool_views
from proxmon.guests import list_guests
from proxmon.payload import Tier

Context = dict[str, Any]


def head(newest: Newest) -> Context:
    """Return name, status and identity of the host."""
    status, host = newest.judged.status, newest.judged.snapshot
    system = newest.system
    facts = [
        f"PVE {system.pve_version}" if system.pve_version else None,
        f"node {system.node}" if system.node and system.node != host.host.name else None,
        f"cluster {system.cluster}" if system.cluster else None,
    ]
    return {
        "host_name": host.host.name,
        "status": status.status.value,
        "unknown_count": 0 if newest.is_offline else status.unknown_count,
        "seen": newest.moment(host.last_seen_at),
        "is_offline": newest.is_offline,
        "facts": [fact for fact in facts if fact],
    }


def findings(newest: Newest) -> Context:
    """Return every rule's result, the worst first."""
    rows = finding_rows(newest)
    return {
        "rows": rows,
        "skipped": [(rule_label(one.rule), one.why) for one in newest.judged.status.skipped],
        "counts": {kind: sum(row.kind == kind for row in rows) for kind in ("failed", "unknown", "ok")},
    }


def metrics(newest: Newest) -> Context:
    """Return load, CPU, memory with the ARC apart, and uptime."""
    host = newest.host
    total, used, arc = host.mem_total_bytes, host.mem_used_bytes, host.arc_bytes
    arc_share = share(arc, total)
    used_share = share(used, total)
    apart = None if used_share is None else max(0.0, used_share - (arc_share or 0.0))
    return {
        "note": note(newest, Tier.FAST, "host"),
        "is_known": newest.fast.host is not None and host.error is None,
        "host": host,
        "memory_percent": used_share,
        "arc_percent": arc_share,
        "apart_percent": apart,
        "apart_bytes": None if used is None else max(0.0, used - (arc or 0.0)),
        "free_bytes": None if used is None or total is None else max(0.0, total - used),
    }


def zpools(newest: Newest) -> Context:
    """Return the pools with their vdevs."""
    return {"note": note(newest, Tier.FAST, "zfs_pools"), "pools": zpool_views(newest)}


def storages(newest: Newest) -> Context:
    """Return the Proxmox storages, the fullest first among the active ones."""
    listed = newest.storages.storages
    shares = [(one, share(one.used_bytes, one.total_bytes)) for one in listed or ()]
    ordered = sorted(shares, key=lambda pair: (pair[0].active is False, -(pair[1] or 0.0), pair[0].name))
    return {
        "note": note(newest, Tier.FAST, "storage"),
        "storages": ordered,
        "forecasts": {one.name: find_forecast(newest, "storage", one.name) for one, _ in ordered},
        "is_known": listed is not None,
    }


def snapshots(newest: Newest) -> Context:
    """Return how many snapshots there are; the datasets themselves are a keyed table."""
    datasets = newest.datasets.datasets
    counts = [one.snapshot_count for one in datasets or () if one.snapshot_count is not None]
    return {
        "note": note(newest, Tier.MEDIUM, "zfs_datasets"),
        "datasets": None if datasets is None else len(datasets),
        "snapshots": sum(counts) if counts else None,
        "unknown_pools": newest.datasets.unknown_pools or (),
    }


def guests(newest: Newest) -> Context:
    """Return how many guests run; the guests themselves are a keyed table."""
    listed = list_guests(newest.judged)
    is_known = bool(newest.fast.vms_runtime and newest.fast.vms_runtime.vms is not None)
    return {
        "note": note(newest, Tier.FAST, "vms_runtime"),
        "addresses_note": None if newest.is_offline else note(newest, Tier.MEDIUM, "vms_detail"),
        "all": len(listed) if is_known or listed else None,
        "running": sum(one.run_state == "running" for one in listed) if is_known and not newest.is_offline else None,
        "is_offline": newest.is_offline,
    }


def system(newest: Newest) -> Context:
    """Return versions, pending work, and the agent with what it costs."""
    sample = newest.judged.snapshot.newest_sample
    return {
        "note": note(newest, Tier.SLOW, "system_info"),
        "system": newest.system,
        "agent_version": sample.agent_version if sample else None,
        "clock_offset": sample.clock_offset_seconds if sample else None,
        "tiers": [_tier(newest, tier) for tier in Tier],
        "costs": agent_costs(newest),
    }


def _tier(newest: Newest, tier: Tier) -> Context:
    sample = newest.sample(tier)
    every = duration(sample.interval_seconds) if sample else None
    return {"name": tier.value, "fresh": tier.value if sample else None, "every": every}


def agent_costs(newest: Newest) -> list[tuple[str, str]]:
    """List what the agent says it costs itself: the payload's section ``agent``, what is not known by its own name.

    That is also the time of each of its sections, what waits in its spool, and the programs that are stuck.
    """
    sample = newest.sample(Tier.FAST)
    told = read_self_report(sample.raw) if sample else {}
    return [_cost(name, value) for name, value in _told_facts(told) if isinstance(value, int | float | str)]


def _told_facts(told: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the facts one by one: ``spool.bytes`` as ``spool_bytes``, a section's time as ``collecting_…_seconds``."""
    for name, value in told.items():
        if isinstance(value, dict):
            inner = cast("dict[str, Any]", value)
            yield from (
                (f"collecting_{one}_seconds" if name == "sections" else f"{name}_{one}", inner[one]) for one in inner
            )
        elif isinstance(value, list):
            yield name, ", ".join(map(str, cast("list[Any]", value)))
        elif name != "version":
            yield name, value


_COST_LABELS = {"cpu": "CPU time", "programs_cpu": "CPU time of programs", "peak_rss": "Memory at most"}


class SelfReport(msgspec.Struct):
    """The part of a payload that is the agent's own; nothing else of it is read."""

    agent: dict[str, Any] | None = None


_SELF_REPORT = msgspec.json.Decoder(SelfReport)  # made before there are threads, as in proxmon/samples.py


def read_self_report(raw: bytes) -> dict[str, Any]:
    """Return what the agent says of itself; nothing where that is not readable, such as a number beyond all bounds."""
    try:
        return _SELF_REPORT.decode(raw).agent or {}
    except msgspec.MsgspecError:
        return {}


def _cost(name: str, value: float | str) -> tuple[str, str]:
    for suffix, shown in (("_bytes", size), ("_seconds", _seconds), ("_percent", percent)):
        if name.endswith(suffix) and not isinstance(value, str):
            return _cost_label(name.removesuffix(suffix)), shown(value)
    return _cost_label(name), plain(value)


def _cost_label(name: str) -> str:
    return _COST_LABELS.get(name) or f"{name[:1].upper()}{name[1:].replace('_', ' ')}"


def _seconds(value: float) -> str:
    return f"{decimal(value)} s" if value < 100 else duration(value)


def note(newest: Newest, tier: Tier, section: str) -> Context | None:
    """Return why a section is missing, or that it is only the last known; None when it is current."""
    sample = newest.sample(tier)
    found = getattr(sample.payload, section) if sample else None
    if found is None or found.error is not None:
        return {"kind": "missing", "text": newest.why_missing(tier, section) or "", "since": None}
    if newest.is_offline or newest.why_missing(tier, section):
        return {"kind": "stale", "text": "Last known,", "since": tier.value}
    if found.incomplete:
        return {"kind": "incomplete", "text": f"Incomplete: {found.incomplete}", "since": None}
    return None


SECTIONS: dict[str, Callable[[Newest], Context]] = {
    "head": head,
    "findings": findings,
    "metrics": metrics,
    "zpools": zpools,
    "storages": storages,
    "snapshots": snapshots,
    "guests": guests,
    "system": system,
}


def render_section(name: str, newest: Newest) -> Markup:
    """Return one section of a host's page."""
    return render(f"sections/{name}.html", **SECTIONS[name](newest))
