"""The SQL by which clients of Quack are told of tables, and of what went wrong."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from storage.database import first_line

# What a client asks when it attaches. It is told of the views as if they were tables: of a table it reads the columns
# that it needs, of a view always all.
ASKS_SCHEMAS = """
SELECT catalog_name, schema_name FROM information_schema.schemata
WHERE catalog_name NOT IN ('system', 'temp') ORDER BY ALL
"""
ASKS_TABLES = """
SELECT schema_name, sql, 'table' FROM duckdb_tables()
UNION ALL SELECT schema_name, view_name, 'view' FROM duckdb_views()
"""
SCHEMAS = "SELECT 'fleet' AS catalog_name, 'main' AS schema_name"
COLUMNS = """
SELECT table_name, column_name, data_type FROM duckdb_columns()
WHERE schema_name = 'main' AND NOT internal ORDER BY table_name, column_index
"""
# Types that are the same after their way through Arrow. Rows of other types than it was told end the client's DuckDB.
SAME_TYPES = re.compile(r"(BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|UBIGINT|FLOAT|DOUBLE|VARCHAR|DATE|TIMESTAMP)(\[\])?")


def tables_answer(batches: Iterator[Any]) -> str:
    """Return SQL whose rows tell a client of tables, from batches of their columns in order."""
    columns: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for batch in batches:
        for row in batch.to_pylist():
            columns[row["table_name"]].append((row["column_name"], row["data_type"]))
    rows = [
        f"('main', {literal(creation(name, columns[name]))}, 'table')" for name in columns if is_same(columns[name])
    ]
    return f"FROM (VALUES {', '.join(rows)}) AS tables(schema_name, sql, kind)"


def is_same(columns: list[tuple[str, str]]) -> bool:
    """Tell whether rows of these columns arrive with the types that they have."""
    return all(SAME_TYPES.fullmatch(data_type) for _, data_type in columns)


def creation(table: str, columns: list[tuple[str, str]]) -> str:
    """Return the statement that would make such a table."""
    listed = ", ".join(f"{identifier(name)} {data_type}" for name, data_type in columns)
    return f"CREATE TABLE {identifier(table)} ({listed});"


def refusal(error: BaseException) -> str:
    """Return SQL that fails with an error's sentence."""
    return f"SELECT error({literal(first_line(error))})"


def literal(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("\0", "").replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name as SQL."""
    return '"' + name.replace('"', '""') + '"'
