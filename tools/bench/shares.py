"""Bytes on disk of a fast sample with 20 guests and two zpools, as a share of the same samples as JSON in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from proxmon.samples import Sample
from tools.bench.disk import SAMPLES, series, store_bytes
from tools.bench.table import Row, row


def measure_shares() -> list[Row]:
    """Store the same samples in both and compare what the files hold."""
    samples = [one for _, one in zip(range(SAMPLES), series(), strict=False)]
    whole, typed = store_bytes(samples)
    rows = json_bytes(samples)
    return [
        row("a fast sample as a JSON row in SQLite", [rows], "B"),
        row("… its typed rows here, as a share of that", [typed / rows], "ratio", "≤ 1/6", 1 / 6),
        row("… with its payload, as a share of that", [whole / rows], "ratio", "≤ 1/3", 1 / 3),
    ]


def json_bytes(samples: Sequence[Sample]) -> float:
    """Return the bytes of a sample in SQLite as one row with its payload as text, found by host and time."""
    with TemporaryDirectory(prefix="proxmon-bench-") as folder:
        path = Path(folder) / "fleet.sqlite"
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE samples (host_id, tier, collected_at, payload)")
            database.execute("CREATE INDEX samples_key ON samples (host_id, collected_at)")
            values = (
                (sample.host_id, sample.tier, sample.collected_at.isoformat(), sample.raw.decode())
                for sample in samples
            )
            database.executemany("INSERT INTO samples VALUES (?, ?, ?, ?)", values)
        database.close()
        return path.stat().st_size / len(samples)
