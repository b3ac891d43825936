"""A sample as rows of the typed tables."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter

from proxmon.payload import (
    Dataset,
    FastPayload,
    HostSection,
    MediumPayload,
    Pool,
    Scan,
    SlowPayload,
)
from proxmon.samples import Sample
from proxmon.scrubs import parse_scrub_end, scrub_end
from proxmon.vdevs import walk_vdevs
from storage.moments import to_store
from storage.tables import (
    DATASET_SAMPLES,
    GUEST_ADDRESSES,
    HOST_SAMPLES,
    SECTION_ERRORS,
    STORAGE_SAMPLES,
    SYSTEM_SAMPLES,
    ZPOOL_SAMPLES,
    Row,
)

Rows = dict[str, list[Row]]

# Taken in the order of the tables' columns. A getter of many attributes runs in C.
_HOST = attrgetter(
    *("load1", "load5", "load15", "cpu_percent", "mem_used_bytes", "mem_total_bytes", "arc_bytes", "uptime_seconds")
)
_POOL_SIZES = attrgetter(
    *("name", "health", "capacity_percent", "fragmentation_percent", "size_bytes", "alloc_bytes", "free_bytes")
)
_POOL_COUNTS = attrgetter("error_count", "data_error_count", "vdev_count", "degraded_vdev_count")
_VDEV = attrgetter("name", "kind", "vdev_class", "state", "read_errors", "write_errors", "checksum_errors", "was")
_STORAGE = attrgetter("name", "type", "used_bytes", "total_bytes", "active")
_ADDRESSES = attrgetter("vmid", "type", "name", "ips", "macs")
_SYSTEM = attrgetter(
    *("pve_version", "zfs_version", "kernel", "pending_updates", "security_updates", "reboot_required"),
    *("node", "cluster"),
)
_NO_HOST, _NO_SCAN = HostSection(), Scan()


def typed_rows(sample: Sample) -> Rows:
    """Return the sample's rows by table, without those of the vdevs and of the guests' runtime (guest_columns.py)."""
    when = (sample.host_id, to_store(sample.observed_at))
    payload = sample.payload
    rows: Rows = {SECTION_ERRORS.name: _section_errors(sample, when)}
    if isinstance(payload, FastPayload):
        # Also without a host section: each fast sample has its row, so that a gap is a gap.
        host = _HOST(payload.host or _NO_HOST)
        rows[HOST_SAMPLES.name] = [(*when, to_store(sample.collected_at), *host, to_store(sample.received_at))]
        rows |= _fast_rows(payload, when)
    elif isinstance(payload, MediumPayload):
        rows |= _medium_rows(payload, when)
    else:
        rows |= _slow_rows(payload, when)
    return rows


def vdev_rows(sample: Sample, pool: Pool) -> list[Row]:
    """List the rows of a pool's vdevs, in the order in which ``zpool status`` prints them."""
    when = (sample.host_id, to_store(sample.observed_at), pool.name)
    return [(*when, position, depth, *_VDEV(vdev)) for position, (depth, vdev) in enumerate(walk_vdevs(pool.vdevs))]


def list_pools(sample: Sample) -> tuple[Pool, ...]:
    """List the zpools that the sample tells of."""
    payload = sample.payload
    return (isinstance(payload, FastPayload) and payload.zfs_pools and payload.zfs_pools.pools) or ()


def _section_errors(sample: Sample, when: Row) -> list[Row]:
    return [
        (*when, sample.tier.value, name, section.error, section.incomplete)
        for name, section in sample.list_sections()
        if section.error is not None or section.incomplete is not None
    ]


def _fast_rows(payload: FastPayload, when: Row) -> Rows:
    pools = (payload.zfs_pools and payload.zfs_pools.pools) or ()
    storages = (payload.storage and payload.storage.storages) or ()
    return {
        ZPOOL_SAMPLES.name: [(*when, *_zpool(pool)) for pool in pools],
        STORAGE_SAMPLES.name: [(*when, *_STORAGE(storage)) for storage in storages],
    }


def _medium_rows(payload: MediumPayload, when: Row) -> Rows:
    datasets = (payload.zfs_datasets and payload.zfs_datasets.datasets) or ()
    guests = (payload.vms_detail and payload.vms_detail.vms) or ()
    return {
        DATASET_SAMPLES.name: [(*when, *_dataset(dataset)) for dataset in datasets],
        GUEST_ADDRESSES.name: [(*when, *_ADDRESSES(guest)) for guest in guests],
    }


def _slow_rows(payload: SlowPayload, when: Row) -> Rows:
    system = payload.system_info
    return {} if system is None or system.error is not None else {SYSTEM_SAMPLES.name: [(*when, *_SYSTEM(system))]}


def _zpool(pool: Pool) -> Row:
    ended_at = scrub_end(pool)
    return (
        *_POOL_SIZES(pool),
        *_POOL_COUNTS(pool),
        pool.redundancy_left,
        ended_at and to_store(ended_at),
        *_scan(pool.scan or _NO_SCAN),
        None if pool.rebuilds is None else len(pool.rebuilds),
    )


def _scan(scan: Scan) -> Row:
    ended_at = parse_scrub_end(scan.end_at) if scan.end_at else None
    return (scan.function, scan.state, scan.percent, scan.errors, ended_at and to_store(ended_at))


def _dataset(dataset: Dataset) -> Row:
    amounts = (dataset.used_bytes, dataset.avail_bytes, dataset.snapshot_count)
    return (dataset.name, *amounts, _unix(dataset.newest_snapshot_unix), _unix(dataset.oldest_snapshot_unix))


def _unix(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
