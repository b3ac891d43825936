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
        "pragma_table_info",
    }
)
# Scalar functions that change something, wait, tell of this server, or run SQL that is not in the checked tree.
REFUSED_FUNCTIONS = frozenset(
    {
        *("nextval", "currval", "setval", "setseed", "write_log", "sleep_ms", "pg_sleep", "query", "query_table"),
        *("getenv", "current_setting", "json_execute_serialized_sql", "json_serialize_plan", "get_block_size"),
        # One call of these works for hours on two long texts, and nothing interrupts it.
        *("levenshtein", "editdist3", "damerau_levenshtein", "jaro_similarity", "jaro_winkler_similarity"),
        # These end the whole process on values that DuckDB does not check, or read them as parts of its own memory.
        *("reservoir_quantile", "finalize", "combine", "to_aggregate_state"),
    }
)
INTERNAL_PREFIX = "__internal_"  # what DuckDB's own plans call, with arguments that it trusts
# All that a query may be made of besides expressions and types. DuckDB 2 hides changes in common table expressions,
# which the statement's type does not show: their nodes are not listed.
NODES = frozenset(
    {
        *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"),
        *("BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EMPTY", "EMPTY_FROM", "EXPRESSION_LIST"),
        *("SHOW_REF", "PIVOT", "ASCENDING", "DESCENDING", "ORDER_DEFAULT"),
        *("ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"),
    }
)
# DuckDB's own views: settings, logs, databases with their paths. Those that describe tables are functions, above.
SYSTEM_SCHEMAS = frozenset({"pg_catalog", "system", "temp"})
SYSTEM_PREFIXES = ("duckdb_", "pragma_", "sqlite_", "pg_")
DESCRIBING = frozenset({"duckdb_tables", "duckdb_views", "duckdb_columns", "duckdb_schemas", "duckdb_types"})
SPECIAL_SHOWS, SHOWN = frozenset({"SHOW_UNQUALIFIED", "SHOW_SPECIAL"}), frozenset({"tables", "__show_tables_expanded"})
MAX_SQL_CHARACTERS = 64 * 1024  # nothing interrupts the parser, and it takes seconds for a megabyte
REFUSAL = "Ask with one statement that only reads tables and views, such as SELECT … FROM host_samples"


def check_query(cursor: DuckDBPyConnection, sql: str) -> None:
    """Raise QueryError unless the SQL is one statement that only reads.

    The statement is parsed by DuckDB itself and its tree is looked at: a pattern on the text can always be deceived.
    """
    if len(sql) > MAX_SQL_CHARACTERS:
        raise QueryError(f"Ask with at most {MAX_SQL_CHARACTERS} characters: a long list can be a parameter.")
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
        kind, name = node.get("type", ""), _name(node, "function_name")
        # Expressions have a class, types are objects or end like this; what else names a kind must be known.
        if isinstance(kind, str) and kind and "class" not in node and kind not in NODES and kind[-10:] != "_TYPE_INFO":
            yield kind
        if name in REFUSED_FUNCTIONS or name.startswith(INTERNAL_PREFIX):
            yield f"{name}()"
        if kind == "TABLE_FUNCTION" and _name(node.get("function"), "function_name") not in TABLE_FUNCTIONS:
            yield f"{_name(node.get('function'), 'function_name')}()"
        if kind in ("BASE_TABLE", "SHOW_REF") and _is_system(node):
            yield _name(node, "table_name")


def _is_system(node: dict[str, object]) -> bool:
    table = _name(node, "table_name").strip('"')
    if node.get("show_type") in SPECIAL_SHOWS:
        return table not in SHOWN
    schemas = {_name(node, "schema_name"), _name(node, "catalog_name")}
    return bool(schemas & SYSTEM_SCHEMAS) or (table.startswith(SYSTEM_PREFIXES) and table not in DESCRIBING)


def _name(node: Any, key: str) -> str:
    return str(node.get(key, "")).lower() if isinstance(node, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON


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
