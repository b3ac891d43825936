"""The typed tables say what the samples said, under the names and units of docs/store.md."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from proxmon.fleet import Host
from storage import Store
from tests.builders import (
    NOW,
    a_disk,
    a_fast_payload,
    a_guest,
    a_medium_payload,
    a_mirror,
    a_pool,
    a_sample,
)
from tests.storage.conftest import Query

AT = NOW.replace(tzinfo=None)
MINUTE = timedelta(minutes=1)


def test_the_query_of_the_contract_works(store: Store, host: Host, query: Query) -> None:
    pools = [a_pool(name="rpool", capacity_percent=40), a_pool(name="tank", capacity_percent=81.5)]
    store.append([a_sample(host.id, payload={"zfs_pools": {"pools": pools}})]).result()
    assert query("SELECT host, max(capacity_percent) FROM zpool_samples GROUP BY host") == [("pve-01", 81.5)]


def test_a_host_row_has_load_and_memory(store: Store, host: Host, query: Query) -> None:
    store.append([a_sample(host.id)]).result()
    columns = "host, observed_at, load1, load5, load15, cpu_percent, mem_used_bytes, mem_total_bytes, arc_bytes"
    [row] = query(f"SELECT {columns}, uptime_seconds FROM host_samples")
    assert row == ("pve-01", AT, 0.5, 0.4, 0.3, 12.5, 8 * 2**30, 32 * 2**30, 4 * 2**30, 864_000)


def test_a_fast_sample_without_a_host_section_has_a_row_without_values(store: Store, host: Host, query: Query) -> None:
    store.append([a_sample(host.id, payload={})]).result()
    assert query("SELECT observed_at, load1 FROM host_samples") == [(AT, None)]


def test_a_zpool_row_has_its_scan(store: Store, host: Host, query: Query) -> None:
    scan = {"function": "scrub", "state": "scanning", "percent": 12.5, "errors": 2}
    pool = a_pool(scan=scan, last_scrub_end=None, rebuilds=[{"state": "scanning"}])
    store.append([a_sample(host.id, payload={"zfs_pools": {"pools": [pool]}})]).result()
    columns = "pool, health, scan_function, scan_state, scan_percent, scan_errors, last_scrub_ended_at, rebuild_count"
    assert query(f"SELECT {columns} FROM zpool_samples") == [("rpool", "ONLINE", "scrub", "scanning", 12.5, 2, None, 1)]


def test_storages_and_guests_have_rows(store: Store, host: Host, query: Query) -> None:
    guest = a_guest(tags=["prod", "web"], lock="backup", template=False)
    store.append([a_sample(host.id, payload=a_fast_payload(vms_runtime={"vms": [guest]}))]).result()
    assert query("SELECT storage, type, used_bytes, total_bytes, active FROM storage_samples") == [
        ("local-zfs", "zfspool", 100, 1000, True)
    ]
    columns = "vmid, type, name, run_state, cpu_percent, mem_bytes, maxmem_bytes, uptime_seconds, tags, lock, template"
    assert query(f"SELECT {columns} FROM guest_samples") == [
        (100, "qemu", "web-01", "running", 3.5, 2**30, 2**31, 3600, ["prod", "web"], "backup", False)
    ]


def test_datasets_and_addresses_have_rows(store: Store, host: Host, query: Query) -> None:
    store.append([a_sample(host.id, tier="medium")]).result()
    assert query("SELECT dataset, snapshot_count, newest_snapshot_at FROM dataset_samples") == [
        ("rpool/data", 7, AT - timedelta(hours=1))
    ]
    assert query("SELECT vmid, name, ips, macs FROM guest_addresses") == [
        (100, "web-01", ["10.0.0.17"], ["bc:24:11:00:00:01"])
    ]


def test_addresses_that_are_unknown_are_told_from_none(store: Store, host: Host, query: Query) -> None:
    guests = [{"vmid": 1}, {"vmid": 2, "ips": []}]
    store.append([a_sample(host.id, tier="medium", payload={"vms_detail": {"vms": guests}})]).result()
    assert query("SELECT vmid, ips FROM guest_addresses ORDER BY vmid") == [(1, None), (2, [])]


def test_a_system_row_has_versions_and_updates(store: Store, host: Host, query: Query) -> None:
    store.append([a_sample(host.id, tier="slow")]).result()
    assert query("SELECT pve_version, zfs_version, kernel, pending_updates, reboot_required FROM system_samples") == [
        ("9.1.2", "2.3.4", "6.14.11-4-pve", 0, False)
    ]


def test_a_section_that_failed_has_its_error(store: Store, host: Host, query: Query) -> None:
    payload = a_medium_payload(zfs_datasets={"error": "zfs: timed out"})
    store.append([a_sample(host.id, tier="medium", payload=payload)]).result()
    assert query("SELECT tier, section, error FROM section_errors") == [("medium", "zfs_datasets", "zfs: timed out")]
    assert query("SELECT count(*) FROM dataset_samples") == [(0,)]


def test_a_vdev_tree_is_stored_in_the_order_of_zpool_status(store: Store, host: Host, query: Query) -> None:
    mirror = a_mirror(children=[a_disk(name="sda", read_errors=3), a_disk(name="sdb", state="FAULTED")])
    store.append([a_sample(host.id, payload={"zfs_pools": {"pools": [a_pool(vdevs=[mirror])]}})]).result()
    columns = "pool, position, depth, name, kind, class, state, read_errors"
    assert query(f"SELECT {columns} FROM vdev_samples ORDER BY position") == [
        ("rpool", 0, 0, "mirror-0", "mirror", "data", "ONLINE", None),
        ("rpool", 1, 1, "sda", "disk", "data", "ONLINE", 3),
        ("rpool", 2, 1, "sdb", "disk", "data", "FAULTED", 0),
    ]


@pytest.mark.parametrize(
    ("minutes", "states", "stored"),
    [
        ((0, 1, 2), ("ONLINE", "ONLINE", "ONLINE"), [0]),
        ((0, 1, 2, 3), ("ONLINE", "FAULTED", "FAULTED", "ONLINE"), [0, 1, 3]),
        ((0, 1440, 1441), ("ONLINE", "ONLINE", "ONLINE"), [0, 1440]),
        ((2, 1), ("ONLINE", "ONLINE"), [2, 1]),
    ],
    ids=["unchanged", "changed", "on each day anew", "late"],
)
def test_a_vdev_tree_is_stored_when_it_changed(
    store: Store, host: Host, query: Query, minutes: tuple[int, ...], states: tuple[str, ...], stored: list[int]
) -> None:
    for minute, state in zip(minutes, states, strict=True):
        payload = {"zfs_pools": {"pools": [a_pool(vdevs=[a_disk(state=state)])]}}
        store.append([a_sample(host.id, payload=payload, collected_at=NOW + minute * MINUTE)]).result()
    moments = query("SELECT observed_at FROM base.vdev_samples ORDER BY rowid")
    assert [at for (at,) in moments] == [AT + minute * MINUTE for minute in stored]


def test_large_amounts_and_fractions_fit(store: Store, host: Host, query: Query) -> None:
    payload = {"host": {"mem_total_bytes": 9.2e18, "uptime_seconds": 12.7}}
    store.append([a_sample(host.id, payload=payload)]).result()
    assert query("SELECT mem_total_bytes, uptime_seconds FROM host_samples") == [(9_200_000_000_000_000_000, 13)]


def test_typed_rows_that_a_crash_left_out_are_made_at_the_next_start(
    store: Store, host: Host, directory: Path, query: Query
) -> None:
    store.append([a_sample(host.id, collected_at=NOW + n * MINUTE) for n in range(3)]).result()
    store.close()
    with duckdb.connect(str(directory / "fleet.duckdb")) as connection:
        connection.execute("DELETE FROM base.guest_samples; UPDATE base.typed_progress SET sample_id = 0")
    Store.open(directory).close()
    assert query("SELECT count(*), min(observed_at) FROM guest_samples") == [(3, AT)]


def test_settling_waits_for_the_typed_rows(store: Store, host: Host) -> None:
    store.append([a_sample(host.id)]).result()
    store.settle()
    with store._database.reader() as cursor:
        assert cursor.execute("SELECT count(*) FROM guest_samples").fetchall() == [(1,)]


def test_a_snapshot_moment_is_utc(store: Store, host: Host, query: Query) -> None:
    dataset = {"name": "rpool", "newest_snapshot_unix": 0}
    payload = {"zfs_datasets": {"datasets": [dataset]}}
    store.append([a_sample(host.id, tier="medium", payload=payload)]).result()
    assert query("SELECT newest_snapshot_at FROM dataset_samples") == [
        (datetime.fromtimestamp(0, UTC).replace(tzinfo=None),)
    ]


def test_trees_of_pools_that_are_others_each_time_do_not_add_up(store: Store, host: Host) -> None:
    tables = store._writer._filler._tables
    for number in range(5):
        pools = [a_pool(name=f"p{number}-{place}") for place in range(3)]
        payload = a_fast_payload(zfs_pools={"pools": pools})
        store.append([a_sample(host.id, collected_at=NOW + timedelta(seconds=number), payload=payload)]).result()
        store.settle()
    assert set(tables._trees[host.id]) == {"p4-0", "p4-1", "p4-2"}
