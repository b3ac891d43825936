"""What is too old goes, what is newest stays, and the room is used again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from proxmon.config import RetentionSettings, read_settings
from proxmon.errors import SettingsError
from proxmon.fleet import Host
from proxmon.payload import Tier
from storage import Store
from storage.retention import KEPT
from tests.builders import DAY, NOW, a_fast_payload, a_guest, a_sample, iso
from tests.storage.conftest import SECRET, Query, ask_file

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    """Give a store that keeps what a server keeps by default."""
    opened = Store.open(directory, retention=RetentionSettings())
    yield opened
    opened.close()


def fill(store: Store, host: Host, days: list[float], tier: str = "fast") -> None:
    """Store a sample for each of these ages."""
    store.append([a_sample(host.id, tier=tier, collected_at=NOW - age * DAY) for age in days]).result()


def test_each_table_keeps_its_rows_for_its_span(store: Store, host: Host, directory: Path) -> None:
    for tier in Tier:
        fill(store, host, [400, 100, 15, 4, 1], tier)
    store.keep_up(NOW)
    store.close()
    found = {kept.name: count(directory, kept.name) for kept in KEPT}
    assert found == {
        "fast_samples": 1,
        "medium_samples": 4,
        "slow_samples": 4,
        "kept_samples": 3,
        "host_samples": 2,
        "zpool_samples": 2,
        "vdev_samples": 6,
        "storage_samples": 2,
        "guest_samples": 1,
        "dataset_samples": 2,
        "guest_addresses": 2,
        "system_samples": 2,
        "section_errors": 0,
        "host_1m": 3,
        "zpool_1m": 3,
        "storage_1m": 3,
        "guest_1m": 3,
        "host_1h": 5,
        "zpool_1h": 5,
        "storage_1h": 5,
        "guest_1h": 5,
    }


def test_the_newest_sample_of_each_tier_stays_however_old(store: Store, host: Host) -> None:
    for tier in Tier:
        fill(store, host, [900, 800], tier)
    store.keep_up(NOW)
    [found] = store.snapshot().hosts
    assert {sample.observed_at for sample in found.samples.values()} == {NOW - 800 * DAY}
    assert set(found.samples) == set(Tier)


def test_scrubs_and_events_stay(store: Store, host: Host, query: Query) -> None:
    fill(store, host, [900, 1])
    store.record_goodbye(host.id, NOW - 900 * DAY, None)
    store.keep_up(NOW)
    assert query("SELECT (SELECT count(*) FROM zpool_scrubs), (SELECT count(*) FROM host_events)") == [(1, 2)]


def test_spans_are_settings_and_nought_is_for_ever(directory: Path) -> None:
    settings = read_settings({"PROXMON_KEEP_ROWS_DAYS": "0", "PROXMON_KEEP_MINUTES_DAYS": "2"}).retention
    store = Store.open(directory, retention=settings)
    fill(store, store.add_host("pve-01", SECRET, NOW - DAY), [900, 3, 1])
    store.keep_up(NOW)
    store.close()
    assert [count(directory, name) for name in ("host_samples", "host_1m", "host_1h")] == [3, 1, 3]


def test_a_program_that_opens_the_store_without_being_told_deletes_nothing(directory: Path) -> None:
    store = Store.open(directory)
    fill(store, store.add_host("pve-01", SECRET, NOW - DAY), [900, 1])
    store.keep_up(NOW)
    store.close()
    assert count(directory, "guest_samples") == 2


def test_less_than_a_day_is_refused() -> None:
    with pytest.raises(SettingsError, match="PROXMON_KEEP_ROWS_DAYS"):
        RetentionSettings(row_days=0.5)


def test_deletion_goes_in_bites(store: Store, host: Host, query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.retention.BITE_ROWS", 2)
    fill(store, host, [20 + n / 100 for n in range(7)])
    store.keep_up(NOW)
    assert query("SELECT count(*) FROM host_samples") == [(0,)]


def test_a_rollup_outlives_the_rows_it_was_made_from(store: Store, host: Host, query: Query) -> None:
    fill(store, host, [20, 20 - 20 / 86_400])
    store.keep_up(NOW)
    # A straggler of the same minute: with the other rows gone, to make it again would lose them.
    fill(store, host, [20 - 30 / 86_400, 19])
    store.keep_up(NOW)
    tables = ("host_1m", "guest_1m", "host_1h", "guest_1h")
    counts = " UNION ALL ".join(f"SELECT list(cpu_percent_count ORDER BY started_at) FROM {table}" for table in tables)
    assert query(counts) == [([2, 1],)] * 4


def test_what_arrives_too_late_for_rows_is_rolled_up_first(store: Store, host: Host, query: Query) -> None:
    store.keep_up(NOW)
    fill(store, host, [50])
    store.keep_up(NOW + HOUR)
    assert query("SELECT (SELECT count(*) FROM host_samples), (SELECT count(*) FROM host_1h)") == [(0, 1)]


def test_room_is_used_again(directory: Path) -> None:
    spans = RetentionSettings(
        fast_payload_days=1, hourly_payload_days=1, row_days=1, guest_row_days=1, minute_days=1, hour_days=1
    )
    store = Store.open(directory)
    host = store.add_host("pve-01", SECRET, NOW - DAY)
    store.close()
    sizes = [size_after(directory, spans, host, NOW + day * DAY) for day in range(0, 16, 2)]
    assert max(sizes[4:]) <= max(sizes[:4])


def size_after(directory: Path, spans: RetentionSettings, host: Host, day: datetime) -> int:
    """Return the size of the file after samples of a day were stored and those of the days before were dropped."""
    store = Store.open(directory, retention=spans)
    guests = {"vms": [a_guest(vmid=vmid, name=f"{iso(day)}-{vmid}") for vmid in range(100, 140)]}
    payload = a_fast_payload(vms_runtime=guests)
    store.append([a_sample(host.id, payload=payload, collected_at=day + n * 10 * SECOND) for n in range(400)]).result()
    store.keep_up(day + 2 * HOUR)
    store.close()
    return (directory / "fleet.duckdb").stat().st_size


def test_sizes_tell_rows_bytes_and_the_oldest(store: Store, host: Host) -> None:
    fill(store, host, [2, 1])
    store.settle()
    sizes = {size.name: size for size in store.report().tables}
    assert set(sizes) >= {*(kept.name for kept in KEPT), "events", "zpool_scrubs"}
    assert (sizes["host_samples"].rows, sizes["host_samples"].oldest_at) == (2, NOW - 2 * DAY)
    assert (sizes["host_1h"].rows, sizes["host_1h"].size_bytes, sizes["host_1h"].oldest_at) == (0, 0, None)


def test_the_size_of_payloads_is_that_of_all_their_blocks(store: Store, host: Host, directory: Path) -> None:
    chance = random.Random(1)
    names = [f"{chance.getrandbits(4000):x}" for _ in range(2000)]
    moments = [NOW - number * SECOND for number in range(2000)]
    payloads = [a_fast_payload(vms_runtime={"vms": [a_guest(name=name)]}) for name in names]
    samples = [
        a_sample(host.id, payload=payload, collected_at=at) for payload, at in zip(payloads, moments, strict=True)
    ]
    store.append(samples).result()
    store.close()
    store = Store.open(directory)
    [table] = [table for table in store.report().tables if table.name == "fast_samples"]
    store.close()
    assert table.size_bytes > 2000 * 500


def count(directory: Path, table: str) -> int:
    """Return the number of rows of a table."""
    return ask_file(directory, f"SELECT count(*) FROM base.{table}")[0][0]
