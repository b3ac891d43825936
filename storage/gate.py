"""Which SQL of others is run: one statement that only reads what the store holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.errors import QueryError
from storage.database import first_line

# What a query may take rows from besides tables: all others read files, settings or secrets, or change something.
TABLE_FUNCTIONS = frozenset(
    {
        "range",
        "generate_series",
        "unnest",
        "repeat",
        "repeat_row",
        "json_each",
        "json_tree",
        "histogram",
        "histogram_values",
        "duckdb_tables",
        "duckdb_views",
        "duckdb_columns",
        "duckdb_types",
        "duckdb_functions",
        "duckdb_schemas",
        "duckdb_databases",
        "pragma_table_info",
    }
)
# Scalar functions that change something, wait, or run SQL that is not in the tree that was checked.
REFUSED_FUNCTIONS = frozenset(
    {"nextval", "currval", "setval", "write_log", "sleep_ms", "query", "query_table", "getenv", "current_setting"}
)
# DuckDB 2 hides changes in common table expressions, which the statement's type does not show.
QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
REFUSAL = "Ask with one statement that only reads tables and views, such as SELECT … FROM host_samples"


def check_query(cursor: DuckDBPyConnection, sql: str) -> None:
    """Raise QueryError unless the SQL is one statement that only reads.

    The statement is parsed by DuckDB itself and its tree is looked at: a pattern on the text can always be deceived.
    """
    try:
        statements = cursor.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise QueryError(f"{REFUSAL}.")
        rows = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
        tree: Any = json.loads(rows[0][0])
    except duckdb.Error as error:
        raise QueryError(f"Correct the query: {first_line(error)}.") from error
    except RecursionError as error:
        raise QueryError("Nest the query less deeply.") from error
    if tree.get("error"):
        raise QueryError(f"{REFUSAL}: {tree.get('error_message', 'this is something else')}.")
    for refused in _refusals(tree):
        raise QueryError(f"{REFUSAL}: {refused} is not allowed.")


def _refusals(tree: object) -> Iterator[str]:
    for node in _objects(tree):
        kind, name = str(node.get("type", "")), str(node.get("function_name", "")).lower()
        if kind.endswith("_NODE") and kind not in QUERY_NODES:
            yield kind
        if name in REFUSED_FUNCTIONS:
            yield f"{name}()"
        function = node.get("function")
        if kind == "TABLE_FUNCTION" and isinstance(function, dict):
            called = str(function.get("function_name", "")).lower()  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON
            if called not in TABLE_FUNCTIONS:
                yield f"{called}()"


def _objects(tree: object) -> Iterator[dict[str, object]]:
    """Give every object of the tree, without recursion: a tree of others may be deep."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON
        elif isinstance(node, list):
            waiting.extend(node)  # pyright: ignore[reportUnknownArgumentType] - JSON
