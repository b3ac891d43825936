"""The store's file goes forward, and only forward."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from proxmon.errors import StoreUnavailableError
from storage import Store
from storage.migrations import MIGRATIONS, NEWEST_VERSION, find_version, migrate
from tests.storage.conftest import ask_file


@pytest.fixture
def connection() -> Iterator[DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _ in MIGRATIONS] == list(range(1, NEWEST_VERSION + 1))


def test_an_empty_file_is_brought_to_the_newest_version(connection: DuckDBPyConnection) -> None:
    assert find_version(connection) == 0
    migrate(connection)
    assert find_version(connection) == NEWEST_VERSION


def test_a_migration_is_applied_once(connection: DuckDBPyConnection) -> None:
    migrate(connection)
    migrate(connection)
    applied = connection.execute("SELECT version FROM base.schema_migrations").fetchall()
    assert applied == [(number,) for number, _ in MIGRATIONS]


def test_only_the_migrations_that_are_missing_are_applied(connection: DuckDBPyConnection) -> None:
    migrate(connection, ((1, "CREATE TABLE first (x INTEGER)"),))
    migrate(connection, ((1, "not even SQL"), (2, "CREATE TABLE second (x INTEGER)")))
    assert find_version(connection) == 2


def test_a_migration_that_fails_leaves_nothing_behind(connection: DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.Error):
        migrate(connection, ((1, "CREATE TABLE first (x INTEGER); SELECT nonsense"),))
    assert find_version(connection) == 0
    assert connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'first'").fetchone() == (0,)


def test_a_store_of_a_newer_proxmon_is_refused(store: Store, directory: Path) -> None:
    store.close()
    with duckdb.connect(str(directory / "fleet.duckdb")) as connection:
        connection.execute("INSERT INTO base.schema_migrations VALUES (99, now())")
    with pytest.raises(StoreUnavailableError, match="version 99"):
        Store.open(directory)


def test_the_file_can_be_read_by_both_versions_of_duckdb(store: Store, directory: Path) -> None:
    store.close()
    [(tags,)] = ask_file(directory, "SELECT tags FROM duckdb_databases() WHERE database_name = 'fleet'")
    assert tags["storage_version"].startswith("v1.5.0")
