"""Which SQL of others is run: one statement that only reads what the store holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.errors import QueryError
from storage.bounds import exceeded
from storage.database import first_line
from storage.functions import FUNCTIONS, TABLE_FUNCTIONS, TYPES
from storage.trees import Parameters, name_of, objects

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
# What does the same for those who mean no harm, by how the refused name begins.
INSTEAD = {
    "json_": "json_extract, -> and ->> read a value out of JSON",
    "from_json": "json_extract, -> and ->> read a value out of JSON",
    "variant": "json_extract, -> and ->> read a value out of JSON",
    "the type variant": "json_extract, -> and ->> read a value out of JSON",
    "reservoir_quantile": "quantile_cont, quantile_disc and approx_quantile are",
}
REFUSAL = "Ask with one statement that only reads tables and views, such as SELECT … FROM host_samples"


def check_query(cursor: DuckDBPyConnection, sql: str, parameters: Parameters = None) -> None:
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
    for node in objects(tree):
        for refused in _refusals(node):
            raise QueryError(f"{REFUSAL}: {refused} is not allowed{_instead(refused)}.")
        for bound in exceeded(node, parameters):
            raise QueryError(f"Correct the query: {bound}.")


def _refusals(node: dict[str, Any]) -> Iterator[str]:
    kind, name = node.get("type", ""), name_of(node)
    # Expressions have a class, types are objects or end like this; what else names a kind must be known.
    if isinstance(kind, str) and kind and "class" not in node and kind not in NODES and kind[-10:] != "_TYPE_INFO":
        yield kind
    if name and name not in FUNCTIONS | TABLE_FUNCTIONS:
        yield f"{name}()"
    if kind == "TABLE_FUNCTION" and name_of(node.get("function")) not in TABLE_FUNCTIONS:
        yield f"{name_of(node.get('function'))}()"
    if node.get("export_state"):
        yield "EXPORT_STATE"
    if kind in ("BASE_TABLE", "SHOW_REF") and _is_system(node):
        yield name_of(node, "table_name")
    for name_of_type in _types(node):
        if name_of_type not in TYPES:
            yield f"the type {name_of_type}"


def _types(node: dict[str, Any]) -> Iterator[str]:
    if "class" not in node and isinstance(node.get("id"), str):
        yield name_of(node, "id")
    if node.get("type") == "UNBOUND_TYPE_INFO" and "name" in node:  # how DuckDB 1.5 writes for its older versions
        yield name_of(node, "name")
    if node.get("class") == "TYPE":
        yield name_of(node, "type_name")


def _instead(refused: str) -> str:
    return next((f": {instead}" for beginning, instead in INSTEAD.items() if refused.startswith(beginning)), "")


def _is_system(node: dict[str, Any]) -> bool:
    table = name_of(node, "table_name").strip('"')
    if node.get("show_type") in SPECIAL_SHOWS:
        return table not in SHOWN
    schemas = {name_of(node, "schema_name"), name_of(node, "catalog_name")}
    return bool(schemas & SYSTEM_SCHEMAS) or (table.startswith(SYSTEM_PREFIXES) and table not in DESCRIBING)
