"""A store with a month of a hundred hosts: charts, past moments, and what upkeep does to ingest beside it.

The rows are made by SQL, straight into the tables: 26 million of hosts with their rollups, zpools for as long as their
rows are kept, a sample an hour, and as they came the samples of the last hours. Guests and storages have none.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

import storage.upkeep
from proxmon.config import RetentionSettings
from proxmon.credentials import TokenSecret
from proxmon.series import SeriesKind, SeriesRequest
from storage import Store
from storage.database import CONFIG
from storage.series_sql import AGGREGATED_ROLLUPS, AGGREGATED_ROWS
from tools.bench.messages import payloads
from tools.bench.pace import Pace, repeated
from tools.bench.table import Row, row

HOSTS = 100
DAYS = int(os.environ.get("PROXMON_BENCH_DAYS", "30"))
PAYLOAD_HOURS, ZPOOL_DAYS = 6, 14
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
BESIDE_SECONDS, BESIDE_PARTS, COLD_RUNS = 6.0, 3, 5
STALL_GOAL = 250.0
# What a build needs for a while; the format is the server's.
BUILD_CONFIG = CONFIG | {"memory_limit": "1GB", "threads": 2}
_GRID = """
(SELECT host_id::INTEGER AS host_id, $since::TIMESTAMP + to_seconds(10 * step + host_id / 20.0) AS moment, step
FROM range($steps) steps(step), range(1, $hosts + 1) hosts(host_id) ORDER BY step, host_id) AS grid
"""
_HOSTS = (
    """
INSERT INTO base.host_samples BY NAME SELECT host_id, moment AS observed_at,
    moment AS collected_at, moment AS received_at,
    round(2 + 2 * sin(step / 700) + random(), 2) AS load1, round(2 + random(), 2) AS load5, 2.5 AS load15,
    round(20 + 30 * random(), 1) AS cpu_percent, (60e9 + 1e9 * random())::BIGINT AS mem_used_bytes,
    128000000000 AS mem_total_bytes, (30e9 + 1e8 * random())::BIGINT AS arc_bytes, 86400 + 10 * step AS uptime_seconds
FROM """
    + _GRID
)
_ZPOOLS = (
    """
INSERT INTO base.zpool_samples BY NAME SELECT host_id, moment AS observed_at, pool, 'ONLINE' AS health,
    40 + step // 4000 AS capacity_percent, 12 AS fragmentation_percent, 1000000000000 AS size_bytes,
    (4e11 + step * 1e6)::BIGINT AS alloc_bytes, (6e11 - step * 1e6)::BIGINT AS free_bytes, 0 AS error_count,
    0 AS data_error_count, 3 AS vdev_count, 0 AS degraded_vdev_count, 1 AS redundancy_left
FROM (VALUES ('rpool'), ('tank')) pools(pool), """
    + _GRID
)
_PAYLOADS = (
    """
INSERT INTO base.fast_samples SELECT $first + row_number() OVER (), host_id, moment, moment, moment, 10, 0, '1.0',
    $texts[1 + (step * 7 + host_id) % len($texts)] FROM """
    + _GRID
)
_KEPT = (
    """
INSERT INTO base.kept_samples SELECT row_number() OVER (), host_id, 'fast', moment, moment, moment, 10, 0, '1.0',
    $texts[1 + (step // 360 * 7 + host_id) % len($texts)] FROM """
    + _GRID
    + " WHERE step % 360 = 359"
)
_MINUTES = (
    "INSERT INTO base.host_1m BY NAME SELECT host_id, time_bucket(INTERVAL 1 MINUTE, observed_at) AS started_at, "
    + AGGREGATED_ROWS
    + "FROM (SELECT *, rowid AS position FROM base.host_samples WHERE observed_at >= $since AND observed_at < $until) "
    "GROUP BY ALL ORDER BY started_at, host_id"
)
_HOURS = (
    "INSERT INTO base.host_1h BY NAME SELECT made.host_id, made.hour AS started_at, "
    + AGGREGATED_ROLLUPS[SeriesKind.HOST]
    + "FROM (SELECT *, time_bucket(INTERVAL 1 HOUR, started_at) AS hour FROM base.host_1m) AS made GROUP BY ALL "
    "ORDER BY started_at, host_id"
)
_FLEET = """
SELECT time_bucket(INTERVAL 1 HOUR, started_at) AS hour, sum(load1_mean * load1_count) / sum(load1_count) AS load1,
    max(mem_used_bytes_max) AS mem FROM host_1h GROUP BY ALL ORDER BY ALL
"""


def measure_history() -> list[Row]:
    """Build the store, then ask it, each time cold, and let it work beside ingest."""
    with TemporaryDirectory(prefix="proxmon-bench-", dir=os.environ.get("PROXMON_BENCH_DIRECTORY")) as folder:
        directory = Path(folder) / "data"
        began = time.perf_counter()
        build(directory)
        built = time.perf_counter() - began
        size = (directory / "fleet.duckdb").stat().st_size / 2**20
        pace = Pace(HOSTS, END)
        return [
            row(f"a store of {HOSTS} hosts and {DAYS} days: to build it", [built], "s"),
            row("… its file", [size], "MiB"),
            *measure_questions(directory),
            *measure_deletion(directory, pace),
            *measure_beside(directory, pace),
        ]


def build(directory: Path) -> None:
    """Fill a new store."""
    store = Store.open(directory)
    for number in range(HOSTS):
        store.add_host(f"host-{number:03}", TokenSecret(str(number), "hash"), END - DAYS * DAY)
    store.close()
    texts = [json.dumps(one) for one in islice(payloads(1), 200)]
    with duckdb.connect(str(directory / "fleet.duckdb"), config=BUILD_CONFIG) as connection:
        for day in range(DAYS):
            since = (END - (DAYS - day) * DAY).replace(tzinfo=None)
            grid = {"since": since, "steps": 8640, "hosts": HOSTS}
            connection.execute(_HOSTS, grid)
            if day >= DAYS - ZPOOL_DAYS:
                connection.execute(_ZPOOLS, grid)
            connection.execute(_KEPT, grid | {"texts": texts})
            connection.execute(_MINUTES, {"since": since, "until": since + DAY})
            connection.execute("CHECKPOINT")
        connection.execute(_HOURS)
        recent = (END - PAYLOAD_HOURS * HOUR).replace(tzinfo=None)
        first = 10**9
        count = PAYLOAD_HOURS * 360
        connection.execute(_PAYLOADS, {"since": recent, "steps": count, "hosts": HOSTS, "texts": texts, "first": first})
        through = first + count * HOSTS
        connection.execute("UPDATE base.typed_progress SET sample_id = ?", [through])
        end = END.replace(tzinfo=None)
        connection.execute("UPDATE base.rollup_progress SET sample_id = ?, hours_through = ?", [through, end])
        connection.execute("INSERT INTO base.kept_since VALUES ('fast_samples', ?)", [recent])
        rows_since = (END - ZPOOL_DAYS * DAY).replace(tzinfo=None)
        connection.execute("INSERT INTO base.kept_since VALUES ('zpool_samples', ?)", [rows_since])
        connection.execute("CHECKPOINT")


def measure_questions(directory: Path) -> list[Row]:
    """Ask each question of a store that was just opened and whose file is not in memory."""
    return [
        *cold_rows("24 h of one host", cold(directory, partial(chart, span=DAY)), 50),
        *cold_rows("30 days of one host", cold(directory, partial(chart, span=DAYS * DAY))),
        *cold_rows("30 days of the fleet by the hour", cold(directory, fleet), 1000),
        *cold_rows("the fleet an hour ago, from samples", cold(directory, partial(past, age=HOUR)), 200),
        *cold_rows("the fleet two days ago, from rows", cold(directory, partial(past, age=2 * DAY)), 200),
        *cold_rows("the fleet 20 days ago, from one sample an hour", cold(directory, partial(past, age=20 * DAY)), 200),
    ]


def cold_rows(what: str, found: Sequence[Cold], goal: float | None = None) -> Iterator[Row]:
    """Give how long a cold answer took, and its CPU time, which a busy machine leaves as it is."""
    words = f"≤ {goal:g}" if goal else ""
    yield row(f"{what}, cold", [one.seconds * 1000 for one in found], "ms", words, goal)
    yield row("… its CPU time", [one.cpu_seconds * 1000 for one in found], "ms")


def measure_beside(directory: Path, pace: Pace) -> list[Row]:
    """Measure how long samples take to be durable alone, beside each question and beside upkeep."""
    store = Store.open(directory, retention=RetentionSettings(row_days=14, compact_percent=0))
    try:
        alone = pace.keep(store, BESIDE_SECONDS)
        rows = [row("a sample is durable, alone", alone, "ms")]
        questions: tuple[tuple[str, Callable[[Store], object]], ...] = (
            ("24 h of one host", partial(chart, span=DAY)),
            ("30 days of the fleet", fleet),
            ("past moments", partial(past, age=20 * DAY)),
        )
        for words, question in questions:
            with repeated(partial(question, store)):
                found = pace.keep(store, BESIDE_SECONDS)
            shares = [statistics.median(part) / statistics.median(alone) for part in parts(found)]
            rows += [row(f"… beside {words}", found, "ms"), row("… in times of alone", shares, "ratio", "≤ 2", 2)]
        began = time.perf_counter()
        found = pace.keep_beside(store, store.compact)
        rows += stalls("the store is compacted", found, time.perf_counter() - began)
    finally:
        store.close()
    size = row("… and leaves a file of", [(directory / "fleet.duckdb").stat().st_size / 2**20], "MiB")
    return [*rows, size]


def parts(found: Sequence[float]) -> list[Sequence[float]]:
    """Return the measurements in parts, one after the other."""
    size = len(found) // BESIDE_PARTS
    return [found[size * number : size * (number + 1)] for number in range(BESIDE_PARTS)]


def measure_deletion(directory: Path, pace: Pace) -> list[Row]:
    """Measure how long samples wait while the server deletes what its defaults keep no longer."""
    spans = RetentionSettings(compact_percent=0)
    usual, storage.upkeep.ROLLUP_INTERVAL_SECONDS = storage.upkeep.ROLLUP_INTERVAL_SECONDS, 0.0
    store = Store.open(directory, retention=spans)
    storage.upkeep.ROLLUP_INTERVAL_SECONDS = usual
    try:
        began = time.perf_counter()
        found = pace.keep_beside(store, partial(wait_for_deletion, store, END - spans.row_days * DAY))
        return stalls(f"{DAYS - spans.row_days:g} days of rows are deleted", found, time.perf_counter() - began)
    finally:
        store.close()


def wait_for_deletion(store: Store, until: datetime) -> None:
    """Wait until the oldest rows of hosts are deleted."""
    oldest = datetime.min.replace(tzinfo=UTC)
    while oldest < until - HOUR:
        time.sleep(5)
        oldest = next(table.oldest_at for table in store.report().tables if table.name == "host_samples") or until


def stalls(words: str, found: Sequence[float], seconds: float) -> list[Row]:
    """Return how long samples waited while something else was done, and what that took."""
    return [
        row(f"a sample is durable while {words}", found, "ms"),
        row("… the longest wait", [max(found)], "ms", f"≤ {STALL_GOAL:g}", STALL_GOAL),
        row("… while it takes", [seconds], "s"),
    ]


@dataclass(frozen=True, slots=True)
class Cold:
    """What the first question to an opened store took."""

    seconds: float
    cpu_seconds: float


def cold(directory: Path, ask: Callable[[Store], object]) -> list[Cold]:
    """Return what the first question to an opened store takes, whose file is not in memory."""
    found: list[Cold] = []
    for _ in range(COLD_RUNS):
        forget_pages(directory / "fleet.duckdb")
        store = Store.open(directory)
        began, cpu = time.perf_counter(), time.process_time()
        ask(store)
        found.append(Cold(time.perf_counter() - began, time.process_time() - cpu))
        store.close()
    return found


def forget_pages(path: Path) -> None:
    """Let the system drop what it holds of a file, in another process: ours must not open the database's file."""
    script = (
        "import os, sys; file = os.open(sys.argv[1], os.O_RDONLY); os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)


def chart(store: Store, span: timedelta) -> Any:
    """Ask for what a chart of a host shows."""
    return store.series(SeriesRequest(7, SeriesKind.HOST, END - span, END, points=400))


def past(store: Store, age: timedelta) -> object:
    """Ask for the fleet at a past moment."""
    return store.snapshot(END - age)


def fleet(store: Store) -> None:
    """Ask for every hour of the fleet, as an analyst does."""
    answer = store.query(_FLEET)
    while answer.next_chunk():
        pass
    answer.close()
