"""DuckDBs that attach the fleet by Quack, where its extension is installed: `make test-quack`."""

from __future__ import annotations

import socket
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest

from storage import find_extensions

needs_quack = pytest.mark.skipif(find_spec("duckdb_extension_quack") is None, reason="`make test-quack` runs these")
START_SECONDS = 60


def free_address() -> str:
    """Return an address of this machine on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"


def a_client(home: Path) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB that speaks Quack."""
    client = duckdb.connect(config={"home_directory": str(home), "autoinstall_known_extensions": False})
    for path in find_extensions():
        client.execute(f"LOAD '{path}'")
    return client


def attach(home: Path, address: str, token: str) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB to which the fleet is attached. Raises duckdb.Error."""
    client = a_client(home)
    client.execute(f"ATTACH 'quack:{address}' AS fleet (TOKEN '{token}')")
    return client


def attach_patiently(home: Path, address: str, token: str) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB to which the fleet is attached as soon as that is possible."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return attach(home, address, token)
        except duckdb.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def ask(client: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that the fleet answers."""
    return client.execute("FROM fleet.query('" + sql.replace("'", "''") + "')").fetchall()
