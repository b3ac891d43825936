"""Every view and column is named in docs/store.md, and nothing there that does not exist."""

from __future__ import annotations

import re
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
    documented = {name: set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", columns))) for name, columns in rows}
    assert documented == views
