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


def list_columns(text: str) -> Iterator[str]:
    """Give the columns that a row of the docs names; ``load1_*`` stands for a metric's five values."""
    for name, is_metric in re.findall(r"`(\w+?)(_\*)?`", re.sub(r"\([^)]*\)", "", text)):
        yield from (f"{name}_{value}" for value in ("min", "mean", "max", "last", "count")) if is_metric else [name]
