"""Fast samples of the past made again from the typed rows, which are kept for longer than what the agent sent.

What the rows do not have is unknown then: guests, whose rows go first, and whatever the typed tables never had.
"""

# ruff: noqa: S608 - what is joined here are constants of this module

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from duckdb import DuckDBPyConnection

from proxmon.payload import (
    FastPayload,
    GuestRuntime,
    GuestsSection,
    HostSection,
    Pool,
    PoolsSection,
    Scan,
    Section,
    Storage,
    StoragesSection,
    Tier,
    Vdev,
)
from proxmon.samples import Sample
from storage.moments import from_store, to_store
from storage.reader import Moment

# A tree is stored when it changed and once on each day, so the newest one is at most a day old.
TREE_AGE = timedelta(days=1, minutes=5)
LOOK_BACK = (timedelta(minutes=5), timedelta(hours=6), timedelta(days=400))
_LAST_ROWS = """
SELECT host_id, max(observed_at) FROM base.host_samples WHERE observed_at > $since AND observed_at <= $at
AND coalesce(received_at, observed_at) <= $known_at AND host_id IN (SELECT unnest($hosts::INTEGER[])) GROUP BY host_id
"""
_CLOCKS = """
SELECT host_id, arg_max(interval_seconds, observed_at), arg_max(agent_version, observed_at) FROM (
    SELECT host_id, observed_at, interval_seconds, agent_version FROM base.fast_samples
    UNION ALL SELECT host_id, observed_at, interval_seconds, agent_version FROM base.kept_samples WHERE tier = 'fast'
)
JOIN (SELECT unnest($hosts::INTEGER[]) AS host_id, unnest($moments::TIMESTAMP[]) AS observed_at) AS wanted
USING (host_id, observed_at) WHERE observed_at BETWEEN $since AND $until GROUP BY host_id
"""
_JOIN = """
JOIN (SELECT unnest($hosts::INTEGER[]) AS host_id, unnest($moments::TIMESTAMP[]) AS observed_at) AS wanted
USING (host_id, observed_at) WHERE observed_at BETWEEN $since AND $until """
_HOSTS = (
    """SELECT host_id, observed_at, collected_at, coalesce(received_at, observed_at) AS received_at, load1, load5,
    load15, cpu_percent, mem_used_bytes, mem_total_bytes, arc_bytes, uptime_seconds FROM base.host_samples """
    + _JOIN
)
_POOLS = (
    """SELECT host_id, pool AS name, health, capacity_percent, fragmentation_percent, size_bytes, alloc_bytes,
    free_bytes, error_count, data_error_count, vdev_count, degraded_vdev_count, redundancy_left, last_scrub_ended_at,
    scan_function, scan_state, scan_percent, scan_errors, scan_ended_at, rebuild_count FROM base.zpool_samples """
    + _JOIN
)
_STORAGES = "SELECT host_id, storage AS name, type, used_bytes, total_bytes, active FROM base.storage_samples " + _JOIN
_GUESTS = (
    """SELECT host_id, vmid, type, name, run_state AS status, cpu_percent, mem_bytes, maxmem_bytes, uptime_seconds,
    tags, lock, template FROM base.guest_samples """
    + _JOIN
)
_ERRORS = "SELECT host_id, section, error, incomplete FROM base.section_errors " + _JOIN + "AND tier = 'fast'"
_VDEVS = """
SELECT host_id, pool, depth, name, kind, class AS vdev_class, state, read_errors, write_errors, checksum_errors, was
FROM base.vdev_samples WHERE observed_at > $since AND observed_at <= $at
AND host_id IN (SELECT unnest($hosts::INTEGER[]))
QUALIFY observed_at = max(observed_at) OVER (PARTITION BY host_id, pool) ORDER BY host_id, pool, position
"""
Record = dict[str, Any]
Grouped = dict[int, list[Record]]
Moments = Mapping[int, datetime]


def rebuild_fast_samples(
    cursor: DuckDBPyConnection, host_ids: Iterable[int], newest: Moments, moment: Moment
) -> dict[int, Sample]:
    """Return what the typed rows tell of each host's newest fast sample at a moment; a host without rows is missing.

    ``newest`` says when the newest fast sample of each host was observed: it lends its interval and version.
    """
    moments = _find_moments(cursor, host_ids, moment)
    if not moments:
        return {}
    found = _Found.read(cursor, moments, to_store(moment.at))
    clocks = _read_clocks(cursor, {host_id: to_store(newest[host_id]) for host_id in moments if host_id in newest})
    return {
        host_id: _sample(host_id, row, found, clocks[host_id])
        for host_id, [row] in found.hosts.items()
        if host_id in clocks
    }


def with_guests(sample: Sample, kept: Sample | None) -> Sample:
    """Return a sample that was made of rows with the guests of one that was kept, where the rows have none."""
    payload, lender = sample.payload, kept.payload if kept else None
    assert isinstance(payload, FastPayload)
    own, lent = payload.vms_runtime, lender.vms_runtime if isinstance(lender, FastPayload) else None
    if own is None or own.vms is not None or own.error or lent is None or lent.vms is None:
        return sample
    filled = msgspec.structs.replace(payload, vms_runtime=msgspec.structs.replace(own, vms=lent.vms))
    return replace(sample, payload=filled, raw=_encode(filled, sample.other_sections))


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of the moments in question, by host."""

    hosts: Grouped
    pools: Grouped
    vdevs: Grouped
    storages: Grouped
    guests: Grouped
    errors: Grouped

    @classmethod
    def read(cls, cursor: DuckDBPyConnection, moments: Moments, at: datetime) -> _Found:
        chosen = _chosen(moments)
        tree = {"hosts": list(moments), "since": min(moments.values()) - TREE_AGE, "at": at}
        hosts = {host_id: rows[-1:] for host_id, rows in _read(cursor, _HOSTS, chosen).items()}
        pools, vdevs = _read(cursor, _POOLS, chosen), _read(cursor, _VDEVS, tree)
        storages, guests = _read(cursor, _STORAGES, chosen), _read(cursor, _GUESTS, chosen)
        return cls(hosts, pools, vdevs, storages, guests, _read(cursor, _ERRORS, chosen))

    def payload(self, host_id: int, host: Record) -> FastPayload:
        errors = self.failures(host_id)
        pools = tuple(_pool(row, self.vdevs.get(host_id, ())) for row in self.pools.get(host_id, ()))
        storages = tuple(Storage(**row) for row in self.storages.get(host_id, ()))
        guests = tuple(GuestRuntime(**_guest(row)) for row in self.guests.get(host_id, ()))
        values = {name: host[name] for name in HostSection.__struct_fields__ if name in host}
        return FastPayload(
            host=HostSection(**values, **errors.get("host", {})),
            zfs_pools=PoolsSection(pools=pools or None, **errors.get("zfs_pools", {})),
            storage=StoragesSection(storages=storages or None, **errors.get("storage", {})),
            vms_runtime=GuestsSection(vms=guests or None, **errors.get("vms_runtime", {})),
        )

    def failures(self, host_id: int) -> dict[str, Record]:
        """Return what could not be collected, by section."""
        rows = self.errors.get(host_id, ())
        return {row["section"]: {name: row[name] for name in ("error", "incomplete")} for row in rows}

    def other_sections(self, host_id: int) -> dict[str, Section]:
        """Return the sections that could not be collected and that the payload has no place for."""
        failures = self.failures(host_id).items()
        return {name: Section(**row) for name, row in failures if name not in FastPayload.__struct_fields__}


def _find_moments(cursor: DuckDBPyConnection, host_ids: Iterable[int], moment: Moment) -> dict[int, datetime]:
    """Return when each host was last observed: most of them some seconds before, so look there first."""
    missing, found = set(host_ids), dict[int, datetime]()
    at, known_at = to_store(moment.at), to_store(moment.known_at)
    for look_back in LOOK_BACK:
        if missing:
            chosen = {"since": at - look_back, "at": at, "known_at": known_at, "hosts": list(missing)}
            found |= dict(cursor.execute(_LAST_ROWS, chosen).fetchall())
            missing -= found.keys()
    return found


def _chosen(moments: Moments) -> dict[str, object]:
    times = list(moments.values())
    return {"hosts": list(moments), "moments": times, "since": min(times), "until": max(times)}


def _read_clocks(cursor: DuckDBPyConnection, newest: Moments) -> dict[int, tuple[float, str]]:
    rows = cursor.execute(_CLOCKS, _chosen(newest)).fetchall() if newest else []
    return {host_id: (interval, version) for host_id, interval, version in rows}


def _read(cursor: DuckDBPyConnection, query: str, parameters: Mapping[str, object]) -> Grouped:
    rows = cursor.execute(query, parameters)
    names = [column[0] for column in rows.description or ()]
    grouped: Grouped = {}
    for row in rows.fetchall():
        record = dict(zip(names, row, strict=True))
        grouped.setdefault(record.pop("host_id"), []).append(record)
    return grouped


def _sample(host_id: int, row: Record, found: _Found, clock: tuple[float, str]) -> Sample:
    payload, others = found.payload(host_id, row), found.other_sections(host_id)
    collected_at, observed_at = from_store(row["collected_at"]), from_store(row["observed_at"])
    received_at = from_store(row["received_at"])
    return Sample(
        host_id=host_id,
        tier=Tier.FAST,
        collected_at=collected_at,
        received_at=received_at,
        observed_at=observed_at,
        fresh_at=observed_at,
        interval_seconds=clock[0],
        clock_offset_seconds=(collected_at - observed_at).total_seconds(),
        agent_version=clock[1],
        raw=_encode(payload, others),
        payload=payload,
        other_sections=others,
    )


def _encode(payload: FastPayload, others: Mapping[str, Section]) -> bytes:
    return msgspec.json.encode(msgspec.structs.asdict(payload) | dict(others))


def _pool(row: Record, vdevs: Sequence[Record]) -> Pool:
    values = dict(row)
    scrubbed, rebuilds = values.pop("last_scrub_ended_at"), values.pop("rebuild_count")
    scan = {name: values.pop(f"scan_{name}") for name in ("function", "state", "percent", "errors")}
    ended_at = values.pop("scan_ended_at")
    return Pool(
        **values,
        last_scrub_end=_iso(scrubbed),
        scan=Scan(**scan, end_at=_iso(ended_at)) if scan["function"] else None,
        rebuilds=None if rebuilds is None else (Scan(function="resilver", state="scanning"),) * rebuilds,
        vdevs=_tree([vdev for vdev in vdevs if vdev["pool"] == row["name"]], 0) or None,
    )


def _tree(rows: Sequence[Record], depth: int) -> tuple[Vdev, ...]:
    """Return the tree of rows in the order of ``zpool status``, the first of which has this depth."""
    starts = [index for index, row in enumerate(rows) if row["depth"] == depth]
    ends = [*starts, len(rows)][1:]
    return tuple(_vdev(rows[start], rows[start + 1 : end]) for start, end in zip(starts, ends, strict=True))


def _vdev(row: Record, below: Sequence[Record]) -> Vdev:
    values = {name: value for name, value in row.items() if name not in ("pool", "depth")}
    return Vdev(**values, children=_tree(below, row["depth"] + 1) or None)


def _guest(row: Record) -> Record:
    return row | {"tags": None if row["tags"] is None else tuple(row["tags"])}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat() + "Z"
