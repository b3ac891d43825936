"""The store's file goes forward, and only forward."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from proxmon.errors import StoreUnavailableError
from proxmon.payload import Tier
from storage import Store
from storage.migrations import MIGRATIONS, NEWEST_VERSION, find_version, migrate
from tests.builders import NOW, a_fast_payload, a_sample
from tests.storage.conftest import ask_file

NAIVE = NOW.replace(tzinfo=None)
SECOND = timedelta(seconds=1)


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


def test_scrubs_of_before_take_their_durations_from_the_events(connection: DuckDBPyConnection) -> None:
    migrate(connection, MIGRATIONS[:6])
    ended, hour = NAIVE, timedelta(hours=1)
    scrub = "INSERT INTO base.zpool_scrubs (host_id, pool, ended_at, observed_at) VALUES (?, ?, ?, ?)"
    for host_id, pool in ((1, "tank"), (1, "rpool"), (2, "tank"), (3, "tank")):
        connection.execute(scrub, [host_id, pool, ended, ended])
    event = (
        "INSERT INTO base.events (host_id, happened_at, kind, subject, became, started_at) VALUES (?, ?, ?, ?, ?, ?)"
    )
    connection.execute(event, [1, ended, "scrub", "tank", "finished", ended - 6 * hour])
    connection.execute(event, [1, ended, "resilver", "rpool", "finished", ended - hour])
    connection.execute(event, [2, ended, "scrub", "tank", "finished", None])
    connection.execute(event, [3, ended + hour, "scrub", "tank", "finished", ended - hour])
    migrate(connection)
    rows = connection.execute("SELECT host_id, pool, duration_seconds FROM base.zpool_scrubs ORDER BY ALL").fetchall()
    assert rows == [(1, "rpool", None), (1, "tank", 21_600.0), (2, "tank", None), (3, "tank", None)]


@pytest.mark.parametrize("version", range(1, NEWEST_VERSION))
def test_a_store_of_an_older_version_is_brought_forward_with_all_it_had(directory: Path, version: int) -> None:
    Store.open(directory).close()
    (directory / "fleet.duckdb").unlink()
    with duckdb.connect(str(directory / "fleet.duckdb")) as connection:
        migrate(connection, MIGRATIONS[:version])
        connection.execute("INSERT INTO base.hosts VALUES (nextval('base.host_ids'), 'pve-01', ?, NULL)", [NAIVE])
        row = [1, NAIVE, NAIVE, NAIVE, 10.0, 0.0, "0.1.0", json.dumps(a_fast_payload())]
        connection.execute("INSERT INTO base.fast_samples VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO base.host_samples (host_id, observed_at, load1) VALUES (1, ?, 0.75)", [NAIVE])
        connection.execute("UPDATE base.typed_progress SET sample_id = 1")
    store = Store.open(directory)
    later = a_sample(collected_at=NOW + 10 * SECOND)
    assert store.append([a_sample(), later]).result().stored == 1
    (host,) = store.snapshot(NOW).hosts
    assert (host.host.name, host.samples[Tier.FAST].raw) == ("pve-01", json.dumps(a_fast_payload()).encode())
    store.close()
    assert ask_file(directory, "SELECT max(version) FROM schema_migrations") == [(NEWEST_VERSION,)]
    loads = ask_file(directory, "SELECT observed_at, load1 FROM host_samples ORDER BY observed_at")
    assert loads[0] == (NAIVE, 0.75)
    assert len(loads) == 2
