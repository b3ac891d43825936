"""Every view and column is named in docs/store.md, and nothing there that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from storage import Store
from tests.storage.conftest import ask_file

DOCS = Path(__file__).parents[2] / "docs" / "store.md"
VIEWS = """
SELECT table_name, list(column_name) FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal GROUP BY ALL
"""


def test_the_tables_are_documented_as_they_are(store: Store, directory: Path) -> None:
    store.close()
    views = {name: set(columns) - {"host", "host_id"} for name, columns in ask_file(directory, VIEWS)}
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    documented = {name: set(list_columns(columns)) for name, columns in rows}
    assert documented == views


NUMBERS = """
SELECT DISTINCT column_name FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal
AND data_type IN ('DOUBLE', 'FLOAT', 'INTEGER', 'BIGINT', 'HUGEINT')
"""
UNITS = (
    "_bytes",
    "_seconds",
    "_percent",
    "_celsius",
    "_ratio",
    "_days",
    "_hours",
    "_count",
    "_errors",
    "_updates",
    "_id",
)
# What has no unit: loads, places in a tree, Proxmox's own numbers, and an alert's value, whose unit stands beside it.
WITHOUT_UNIT = {"load1", "load5", "load15", "position", "depth", "vmid", "redundancy_left", "value", "version"}


def test_the_name_of_every_number_says_its_unit(store: Store, directory: Path) -> None:
    store.close()
    names = {re.sub(r"_(min|mean|max|last|count)$", "", name) for (name,) in ask_file(directory, NUMBERS)}
    unclear = {name for name in names if not name.endswith(UNITS)} - WITHOUT_UNIT
    counted = {"error", "data_error", "vdev", "degraded_vdev", "snapshot", "rebuild", "flapping", "event"}
    assert unclear - counted == set()


def list_columns(text: str) -> Iterator[str]:
    """Give the columns that a row of the docs names; ``load1_*`` stands for a metric's five values."""
    for name, is_metric in re.findall(r"`(\w+?)(_\*)?`", re.sub(r"\([^)]*\)", "", text)):
        yield from (f"{name}_{value}" for value in ("min", "mean", "max", "last", "count")) if is_metric else [name]
