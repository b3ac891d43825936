"""A sample as rows of the typed tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from proxmon.errors import SampleError
from proxmon.payload import (
    Dataset,
    FastPayload,
    GuestDetail,
    GuestRuntime,
    HostSection,
    MediumPayload,
    Payload,
    Pool,
    Scan,
    Storage,
    SystemSection,
    Vdev,
    list_sections,
)
from proxmon.samples import Sample
from proxmon.scrubs import parse_scrub_end, scrub_end
from storage.moments import to_store
from storage.tables import (
    DATASET_SAMPLES,
    GUEST_ADDRESSES,
    GUEST_SAMPLES,
    HOST_SAMPLES,
    SECTION_ERRORS,
    STORAGE_SAMPLES,
    SYSTEM_SAMPLES,
    VDEV_SAMPLES,
    ZPOOL_SAMPLES,
    Row,
)

Rows = dict[str, list[Row]]
BIGINT_MAX = 2**63 - 1


def typed_rows(sample: Sample) -> Rows:
    """Return the sample's rows by table; a table without rows is missing.

    Raises:
        SampleError: a whole number does not fit into 64 bits.
    """
    when = (sample.host_id, to_store(sample.observed_at))
    rows: Rows = {}
    for table, row in _rows(sample, when):
        rows.setdefault(table, []).append(row)
    return rows


def _rows(sample: Sample, when: Row) -> Iterator[tuple[str, Row]]:
    payload = sample.payload
    yield from _section_errors(sample, payload, when)
    if isinstance(payload, FastPayload):
        # Also without a host section: each fast sample has its row, so that a gap is a gap.
        yield HOST_SAMPLES.name, (*when, to_store(sample.collected_at), *_host(payload.host or HostSection()))
        yield from _fast(payload, when)
    elif isinstance(payload, MediumPayload):
        yield from _medium(payload, when)
    elif payload.system_info is not None and payload.system_info.error is None:
        yield SYSTEM_SAMPLES.name, (*when, *_system(payload.system_info))


def _section_errors(sample: Sample, payload: Payload, when: Row) -> Iterator[tuple[str, Row]]:
    for name, section in list_sections(payload):
        if section.error is not None or section.incomplete is not None:
            yield SECTION_ERRORS.name, (*when, sample.tier.value, name, section.error, section.incomplete)


def _fast(payload: FastPayload, when: Row) -> Iterator[tuple[str, Row]]:
    for pool in (payload.zfs_pools and payload.zfs_pools.pools) or ():
        yield ZPOOL_SAMPLES.name, (*when, *_zpool(pool))
        for position, (depth, vdev) in enumerate(_walk(pool.vdevs)):
            yield VDEV_SAMPLES.name, (*when, pool.name, position, depth, *_vdev(vdev))
    for storage in (payload.storage and payload.storage.storages) or ():
        yield STORAGE_SAMPLES.name, (*when, *_storage(storage))
    for guest in (payload.vms_runtime and payload.vms_runtime.vms) or ():
        yield GUEST_SAMPLES.name, (*when, *_guest(guest))


def _medium(payload: MediumPayload, when: Row) -> Iterator[tuple[str, Row]]:
    for dataset in (payload.zfs_datasets and payload.zfs_datasets.datasets) or ():
        yield DATASET_SAMPLES.name, (*when, *_dataset(dataset))
    for guest in (payload.vms_detail and payload.vms_detail.vms) or ():
        yield GUEST_ADDRESSES.name, (*when, *_addresses(guest))


def _host(host: HostSection) -> Row:
    loads = (host.load1, host.load5, host.load15, host.cpu_percent)
    amounts = (host.mem_used_bytes, host.mem_total_bytes, host.arc_bytes, host.uptime_seconds)
    return (*loads, *map(_whole, amounts))


def _zpool(pool: Pool) -> Row:
    ended_at = scrub_end(pool)
    return (
        pool.name,
        pool.health,
        pool.capacity_percent,
        pool.fragmentation_percent,
        *map(_whole, (pool.size_bytes, pool.alloc_bytes, pool.free_bytes)),
        *(pool.error_count, pool.data_error_count, pool.vdev_count, pool.degraded_vdev_count),
        _fitting("redundancy_left", pool.redundancy_left),
        ended_at and to_store(ended_at),
        *_scan(pool.scan or Scan()),
        len(pool.rebuilds),
    )


def _scan(scan: Scan) -> Row:
    ended_at = parse_scrub_end(scan.end_at) if scan.end_at else None
    return (scan.function, scan.state, scan.percent, scan.errors, ended_at and to_store(ended_at))


def _walk(vdevs: tuple[Vdev, ...], depth: int = 0) -> Iterator[tuple[int, Vdev]]:
    for vdev in vdevs:
        yield depth, vdev
        yield from _walk(vdev.children, depth + 1)


def _vdev(vdev: Vdev) -> Row:
    counts = (vdev.read_errors, vdev.write_errors, vdev.checksum_errors)
    return (vdev.name, vdev.kind, vdev.vdev_class, vdev.state, *counts, vdev.was)


def _storage(storage: Storage) -> Row:
    return (storage.name, storage.type, _whole(storage.used_bytes), _whole(storage.total_bytes), storage.active)


def _guest(guest: GuestRuntime) -> Row:
    # Proxmox separates tags by semicolons too and allows none in a tag.
    tags = None if guest.tags is None else ";".join(guest.tags)
    amounts = map(_whole, (guest.mem_bytes, guest.maxmem_bytes, guest.uptime_seconds))
    named = (guest.vmid, guest.type, guest.name, guest.status, guest.cpu_percent)
    return (*named, *amounts, tags, guest.lock, guest.template)


def _dataset(dataset: Dataset) -> Row:
    amounts = (_whole(dataset.used_bytes), _whole(dataset.avail_bytes), dataset.snapshot_count)
    return (dataset.name, *amounts, _unix(dataset.newest_snapshot_unix), _unix(dataset.oldest_snapshot_unix))


def _addresses(guest: GuestDetail) -> Row:
    ips, macs = ((None if texts is None else list(texts)) for texts in (guest.ips, guest.macs))
    return (guest.vmid, guest.type, guest.name, ips, macs)


def _system(system: SystemSection) -> Row:
    versions = (system.pve_version, system.zfs_version, system.kernel)
    updates = (system.pending_updates, system.security_updates, system.reboot_required)
    return (*versions, *updates, system.node, system.cluster)


def _whole(amount: float | None) -> int | None:
    return None if amount is None else int(amount)


def _fitting(name: str, number: int | None) -> int | None:
    if number is not None and abs(number) > BIGINT_MAX:
        raise SampleError(f"Correct {name}: send a whole number of at most 64 bits.")
    return number


def _unix(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
