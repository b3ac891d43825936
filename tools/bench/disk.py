"""Bytes on disk for the same samples: our store, SQLite with the same rows, and InfluxDB."""

from __future__ import annotations

import http.client
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from proxmon.credentials import TokenSecret
from proxmon.samples import Sample
from storage import Store
from storage.guest_columns import guest_columns
from storage.rows import typed_rows
from storage.tables import GUEST_SAMPLES, TYPED_TABLES
from tests.builders import a_sample
from tools.bench.baselines import an_influxdb, folder_bytes
from tools.bench.messages import line_protocol, payloads
from tools.bench.table import Row, note, row

SAMPLES, HOSTS, GROUP = 20_000, 20, 500
START = datetime(2026, 11, 1, tzinfo=UTC)
SETTLE_SECONDS, QUIET_SECONDS = 60, 8
TYPED = ("host_samples", "zpool_samples", "storage_samples", "guest_samples")


def measure_disk() -> list[Row]:
    """Store the same samples in each and compare what the files hold afterwards."""
    samples = [one for _, one in zip(range(SAMPLES), series(), strict=False)]
    json_bytes = sum(len(sample.raw) for sample in samples) / SAMPLES
    ours, ours_typed = store_bytes(samples)
    whole, typed = sqlite_bytes(samples, with_payloads=True), sqlite_bytes(samples, with_payloads=False)
    influx = influx_bytes(samples)
    rows = [
        row("a sample on disk: payload and rows", [ours], "B"),
        row("… the JSON of its payload", [json_bytes], "B"),
        row("… SQLite with the same payload and rows, in proxmon's sizes", [whole / ours], "ratio", "≥ 6", 6, up=True),
        row("… its rows alone", [ours_typed], "B"),
        row("… SQLite with the same rows alone, in proxmon's sizes", [typed / ours_typed], "ratio"),
    ]
    if influx is None:
        return [*rows, note("… InfluxDB with the same values", "not installed: apt install influxdb")]
    return [
        *rows,
        row("… InfluxDB with the same values, in proxmon's sizes of the rows", [influx / ours_typed], "ratio"),
    ]


def series() -> Iterator[Sample]:
    """Give samples of several hosts, every ten seconds."""
    made = [payloads(number) for number in range(HOSTS)]
    for number in range(SAMPLES):
        at = START + timedelta(seconds=10 * (number // HOSTS))
        yield a_sample(1 + number % HOSTS, payload=next(made[number % HOSTS]), collected_at=at)


def groups(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Give the samples in groups."""
    rest = iter(samples)
    while group := list(islice(rest, GROUP)):
        yield group


def store_bytes(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return the bytes of a sample in a store that was closed, with its payload and without."""
    with TemporaryDirectory(prefix="proxmon-bench-") as folder:
        store = Store.open(Path(folder))
        for number in range(HOSTS):
            store.add_host(f"host-{number}", TokenSecret(str(number), "hash"), START)
        for group in groups(samples):
            store.append(group).result()
        store.close()
        size = (Path(folder) / "fleet.duckdb").stat().st_size
        store = Store.open(Path(folder))
        typed = sum(one.size_bytes for one in store.report().tables if one.name in TYPED)
        store.close()
    return size / len(samples), typed / len(samples)


def sqlite_bytes(samples: Sequence[Sample], *, with_payloads: bool) -> float:
    """Return the bytes of a sample in SQLite: a table for each kind of row, found by host and time."""
    tables = {table.name: table.schema.names for table in TYPED_TABLES if table.name in TYPED}
    with TemporaryDirectory(prefix="proxmon-bench-") as folder:
        path = Path(folder) / "fleet.sqlite"
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE samples (host_id, tier, collected_at, payload)")
            for name, columns in tables.items():
                database.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
                database.execute(f"CREATE INDEX {name}_key ON {name} (host_id, observed_at)")
            for sample in samples:
                if with_payloads:
                    values = (sample.host_id, sample.tier, sample.collected_at.isoformat(), sample.raw.decode())
                    database.execute("INSERT INTO samples VALUES (?, ?, ?, ?)", values)
                guests = guest_columns([sample])
                columns = [] if guests is None else [column.to_pylist() for column in guests.columns]
                for name, found in (
                    typed_rows(sample) | {GUEST_SAMPLES.name: list(zip(*columns, strict=True))}
                ).items():
                    if name in tables:
                        marks = ", ".join("?" * len(tables[name]))
                        database.executemany(f"INSERT INTO {name} VALUES ({marks})", [_plain(one) for one in found])
        database.close()
        return path.stat().st_size / len(samples)


def influx_bytes(samples: Sequence[Sample]) -> float | None:
    """Return the bytes of a sample in InfluxDB once it has compacted what it has; None where it is missing."""
    with an_influxdb() as influx:
        if influx is None:
            return None
        target = urlsplit(influx.url)
        connection = http.client.HTTPConnection(target.netloc)
        for group in groups(samples):
            body = "\n".join(
                f"{line} {int(sample.collected_at.timestamp() * 1000)}"
                for sample in group
                for line in line_protocol(f"host-{sample.host_id}", json.loads(sample.raw))
            )
            connection.request("POST", f"{target.path}?{target.query}", body.encode())
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 204, answer.status
        connection.close()
        return settled_bytes(influx.folder) / len(samples)


def settled_bytes(folder: Path) -> int:
    """Return the size of a folder once it has not changed for a while."""
    sizes: list[int] = []
    while len(sizes) < SETTLE_SECONDS and (len(sizes) < QUIET_SECONDS or len(set(sizes[-QUIET_SECONDS:])) > 1):
        time.sleep(1)
        sizes.append(folder_bytes(folder))
    return sizes[-1]


def _plain(found: tuple[object, ...]) -> list[object]:
    return [
        value.timestamp() if isinstance(value, datetime) else json.dumps(value) if isinstance(value, tuple) else value
        for value in found
    ]
