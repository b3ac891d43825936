"""Rollups equal what the rows would give, whenever and in whatever order those came."""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxmon.fleet import Host
from proxmon.samples import Sample
from proxmon.series import METRICS, SeriesKind
from storage import Store
from storage.rollups import Bites, roll_up
from tests.builders import DAY, NOW, a_fast_payload, a_guest, a_pool, a_sample
from tests.storage.conftest import SECRET, Query

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
AT = NOW.replace(tzinfo=None)
LOAD = "SELECT started_at, load1_min, load1_mean, load1_max, load1_last, load1_count"


def loads(host: Host, since: datetime, values: Iterable[float | None], every: timedelta = 10 * SECOND) -> list[Sample]:
    """Return fast samples with these loads."""
    payloads = [{"host": {"load1": value}} for value in values]
    return [a_sample(host.id, payload=payload, collected_at=since + n * every) for n, payload in enumerate(payloads)]


def test_a_minute_is_rolled_up_when_it_is_over(store: Store, host: Host, query: Query) -> None:
    store.append(loads(host, NOW, [3, 1, 2, 6, 5, 4, 7])).result()
    store.keep_up(NOW + MINUTE + SECOND)
    assert query(f"{LOAD} FROM host_1m") == [(AT, 1, 3.5, 6, 4, 6)]


def test_an_hour_is_rolled_up_when_it_is_over(store: Store, host: Host, query: Query) -> None:
    store.append(loads(host, NOW, [1, 2, 9], every=20 * MINUTE)).result()
    store.keep_up(NOW + HOUR - SECOND)
    assert not ask(store, "SELECT * FROM host_1h WHERE host_id = ?", [host])
    store.keep_up(NOW + HOUR)
    assert query(f"{LOAD} FROM host_1h") == [(AT, 1, 4, 9, 9, 3)]


def test_before_and_after_hours_memory_is_to_be_given_back(store: Store, host: Host) -> None:
    def steps(until: datetime) -> list[bool]:
        return list(roll_up(store._writer._database.writer(), until))

    store.append(loads(host, NOW, [1, 2])).result()
    store.settle()
    assert steps(NOW + MINUTE) == [False]
    assert steps(NOW + HOUR) == [True, True]
    store.append(loads(host, NOW + 30 * SECOND, [9])).result()
    store.settle()
    assert steps(NOW + HOUR + MINUTE) == [False, True, True]


def test_a_late_sample_is_added_to_its_minute_and_hour(store: Store, host: Host, query: Query) -> None:
    store.append(loads(host, NOW, [1, 2])).result()
    store.keep_up(NOW + 2 * HOUR)
    store.append(loads(host, NOW + 30 * SECOND, [9])).result()
    store.keep_up(NOW + 2 * HOUR + MINUTE)
    assert query(f"{LOAD} FROM host_1m UNION ALL {LOAD} FROM host_1h") == [(AT, 1, 4, 9, 9, 3)] * 2


def test_a_value_that_nobody_knows_counts_nothing(store: Store, host: Host, query: Query) -> None:
    store.append(loads(host, NOW, [None, 4, None])).result()
    store.append(loads(host, NOW + MINUTE, [None])).result()
    store.keep_up(NOW + HOUR)
    none = (AT + MINUTE, None, None, None, None, 0)
    assert query(f"{LOAD} FROM host_1m ORDER BY started_at") == [(AT, 4, 4, 4, 4, 1), none]


def test_pools_storages_and_guests_have_rollups_too(store: Store, host: Host, directory: Path, query: Query) -> None:
    guests = {"vms": [a_guest(), a_guest(vmid=101, type="lxc", cpu_percent=None)]}
    payload = a_fast_payload(zfs_pools={"pools": [a_pool()]}, vms_runtime=guests)
    store.append([a_sample(host.id, payload=payload)]).result()
    store.keep_up(NOW + HOUR)
    assert query("""
        SELECT pool, capacity_percent_last, used_bytes_max, g.vmid, g.type, cpu_percent_mean, mem_bytes_count
        FROM zpool_1h JOIN storage_1h USING (host) JOIN guest_1h g USING (host) ORDER BY vmid
    """) == [("rpool", 42, 100, 100, "qemu", 3.5, 1), ("rpool", 42, 100, 101, "lxc", None, 1)]


@pytest.mark.parametrize("percents", [[1e308], [1e308, 1e308], [-1e308], [3.5e38], [1e308, 3.0]])
def test_a_number_that_no_measurement_has_holds_up_no_rollup(
    store: Store, host: Host, query: Query, percents: list[float]
) -> None:
    other = store.add_host("other", SECRET, NOW - DAY)
    for number, percent in enumerate(percents):
        guests = {"vms": [a_guest(cpu_percent=percent)]}
        payload = {"host": {"load1": percent, "cpu_percent": 1.0}, "vms_runtime": guests}
        store.append([a_sample(host.id, payload=payload, collected_at=NOW + number * SECOND)]).result()
    store.append(loads(other, NOW, [2])).result()
    store.keep_up(NOW + 2 * HOUR)
    for table in ("1m", "1h"):
        found = query(f"SELECT host, load1_mean, cpu_percent_mean FROM host_{table} ORDER BY host")
        assert found == [("other", 2, None), ("pve-01", None, 1)]
        assert query(f"SELECT cpu_percent_mean, cpu_percent_max FROM guest_{table}") == [(None, max(percents))]


def test_rollups_go_on_where_a_crash_left_them(store: Store, host: Host, directory: Path, query: Query) -> None:
    store.append(loads(host, NOW, [1])).result()
    store.close()
    again = Store.open(directory)
    again.keep_up(NOW + HOUR)
    again.keep_up(NOW + HOUR)
    again.close()
    assert query("SELECT load1_last FROM host_1m UNION ALL SELECT load1_last FROM host_1h") == [(1,), (1,)]


def test_a_long_backlog_is_worked_off_in_bites(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    monkeypatch.setattr("storage.rollups.WINDOW_SAMPLES", 7)
    monkeypatch.setattr("storage.upkeep.LONG_BITES", Bites(minutes=3, hours=2, span=HOUR))
    samples = loads(host, NOW, range(40), every=7 * MINUTE)
    random.Random(1).shuffle(samples)
    store.append(samples).result()
    store.keep_up(NOW + DAY)
    assert query("SELECT count(*), sum(load1_last) FROM host_1m") == [(40, 780)]


stored = st.tuples(st.integers(0, 1), st.integers(0, 3 * 3600), st.none() | st.integers(-5, 5))
messages = st.lists(st.lists(stored, min_size=1, max_size=6), min_size=1, max_size=5)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=messages, passes=st.lists(st.integers(0, 200), min_size=5, max_size=5))
def test_rollups_equal_what_the_rows_would_give(store: Store, messages: Any, passes: list[int]) -> None:
    hosts = [store.add_host(uuid.uuid4().hex, SECRET, NOW - DAY) for _ in range(2)]
    for message, minute in zip(messages, passes, strict=False):
        samples = [loads(hosts[host], NOW + second * SECOND, [value])[0] for host, second, value in message]
        store.append(samples).result()
        store.keep_up(NOW + minute * MINUTE)
    store.keep_up(NOW + 5 * HOUR)
    for length, table in ((MINUTE, "host_1m"), (HOUR, "host_1h")):
        found = ask(store, f"SELECT host_id, * EXCLUDE (host_id) FROM {table} WHERE host_id IN (?, ?)", hosts)
        assert found == naive(store, hosts, length)


def ask(store: Store, sql: str, hosts: list[Host]) -> dict[Any, Any]:
    """Return the load's rollup by host and start."""
    with store._database.reader() as cursor:
        frame = cursor.execute(sql, [host.id for host in hosts]).df()
    columns = [f"load1_{name}" for name in ("min", "mean", "max", "last", "count")]
    return {
        (row["host_id"], row["started_at"].to_pydatetime()): tuple(
            None if math.isnan(row[column]) else pytest.approx(row[column]) for column in columns
        )
        for _, row in frame.iterrows()
    }


def naive(store: Store, hosts: list[Host], length: timedelta) -> dict[Any, Any]:
    """Return the same from a walk over the rows."""
    with store._database.reader() as cursor:
        query = "SELECT host_id, observed_at, load1 FROM base.host_samples WHERE host_id IN (?, ?)"
        query += " ORDER BY observed_at, rowid"
        rows = cursor.execute(query, [host.id for host in hosts]).fetchall()
    found: dict[Any, list[float]] = {}
    for host_id, at, load in rows:
        values = found.setdefault((host_id, at - (at - AT) % length), [])
        values += [] if load is None else [load]
    return {key: summary(values) for key, values in found.items()}


def summary(values: list[float]) -> tuple[float | None, ...]:
    """Return minimum, mean, maximum, last and count."""
    if not values:
        return (None, None, None, None, 0)
    return (min(values), sum(values) / len(values), max(values), values[-1], len(values))


@pytest.mark.parametrize("kind", SeriesKind)
def test_each_metric_has_five_columns_by_the_minute_and_by_the_hour(
    store: Store, kind: SeriesKind, query: Query
) -> None:
    expected = {f"{metric}_{name}" for metric in METRICS[kind] for name in ("min", "mean", "max", "last", "count")}
    for table in (f"{kind}_1m", f"{kind}_1h"):
        rows = query(f"SELECT column_name FROM duckdb_columns() WHERE table_name = '{table}' AND schema_name = 'main'")
        keys = {"host", "host_id", "started_at", "pool", "storage", "vmid", "type"}
        assert {name for (name,) in rows} - keys == expected
