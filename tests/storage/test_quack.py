"""Other DuckDBs attach: they read what analysts may read, and reach nothing else."""

from __future__ import annotations

import importlib.machinery
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from proxmon.client.frames import Chunks, read_batches
from proxmon.errors import SettingsError, TokenError
from proxmon.fleet import Host
from storage import QuackServer, Store, find_extensions
from storage.quack import KEPT_SECONDS, MOST_SESSIONS, STUCK_SPAN
from storage.quack_sql import is_same, literal
from tests.attaching import ask, attach, free_address, needs_quack
from tests.builders import a_sample
from tests.storage.test_queries import ATTACKS, LEGITIMATE

TOKEN = "a-readers-token"


class StoreFleet:
    """A store that answers whoever has one of its tokens."""

    def __init__(self, store: Store) -> None:
        self.store, self.tokens = store, {TOKEN}

    def admits(self, token: str) -> bool:
        return token in self.tokens

    def read(self, token: str, sql: str) -> Generator[Any]:
        if token not in self.tokens:
            raise TokenError("Send a valid token: this one was revoked.")
        answer = self.store.query(sql)
        try:
            yield from read_batches(Chunks(iter(answer.next_chunk, b"")))
        finally:
            answer.close()


@pytest.fixture
def fleet(store: Store, host: Host) -> StoreFleet:
    """Give a fleet of one host with one sample of each tier."""
    store.append([a_sample(host.id, tier=tier) for tier in ("fast", "medium", "slow")]).result()
    return StoreFleet(store)


@pytest.fixture
def address() -> str:
    return free_address()


@pytest.fixture
def quack(fleet: StoreFleet, address: str, tmp_path: Path) -> Iterator[QuackServer]:
    """Give the server that listens on the address."""
    (tmp_path / "scratch").mkdir()
    server = QuackServer(fleet, address, tmp_path / "scratch")
    server.serve()
    yield server
    server.stop()


@pytest.fixture
def client(quack: QuackServer, address: str, tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """Give a DuckDB with the fleet attached."""
    return attach(tmp_path, address, TOKEN)


@needs_quack
def test_views_are_attached_as_tables_and_are_live(client: duckdb.DuckDBPyConnection, store: Store, host: Host) -> None:
    assert client.execute("SELECT host, load1 FROM fleet.host_samples").fetchall() == [("pve-01", 0.5)]
    later = a_sample(host.id, collected_at=datetime.now(UTC))
    assert store.append([later]).result().stored == 1
    assert client.execute("SELECT count(*) FROM fleet.host_samples WHERE load1 > 0.1").fetchall() == [(2,)]
    assert ask(client, "SELECT count(*) FROM host_samples") == [(2,)]


@needs_quack
def test_every_view_is_attached_with_the_types_that_its_rows_have(
    client: duckdb.DuckDBPyConnection, store: Store
) -> None:
    views = [name for (name,) in ask(client, "SELECT view_name FROM duckdb_views() WHERE NOT internal")]
    assert len(views) > 20
    for view in views:
        told = client.execute(f"SELECT column_name, column_type FROM (DESCRIBE fleet.{view})").fetchall()
        assert told == ask(client, f"SELECT column_name, column_type FROM (DESCRIBE {view})")
        assert len(client.execute(f"FROM fleet.{view}").fetchall()) == ask(client, f"SELECT count(*) FROM {view}")[0][0]


@needs_quack
def test_tables_that_no_view_shows_are_not_attached(client: duckdb.DuckDBPyConnection) -> None:
    for name in ("fleet.base.hosts", "fleet.base.fast_samples", "fleet.api_tokens", "fleet.channels"):
        with pytest.raises(duckdb.CatalogException):
            client.execute(f"FROM {name}")


@needs_quack
def test_without_a_reader_s_token_nobody_attaches(quack: QuackServer, address: str, tmp_path: Path) -> None:
    for token in ("wrong", "", "x\nX-Forwarded-For: 1", "ü", TOKEN[:-1], TOKEN + "x", "''"):
        with pytest.raises(duckdb.Error):
            attach(tmp_path, address, token)


@needs_quack
def test_a_revoked_token_is_refused_with_the_next_statement(
    client: duckdb.DuckDBPyConnection, fleet: StoreFleet
) -> None:
    assert ask(client, "SELECT 1") == [(1,)]
    fleet.tokens.clear()
    with pytest.raises(duckdb.Error, match="revoked"):
        ask(client, "SELECT 1")
    with pytest.raises(duckdb.Error):
        client.execute("FROM fleet.host_samples")


@needs_quack
def test_what_reads_is_answered(client: duckdb.DuckDBPyConnection) -> None:
    for sql in LEGITIMATE:
        ask(client, sql.removesuffix(";"))


@needs_quack
def test_what_does_more_than_read_is_refused_and_changes_nothing(
    client: duckdb.DuckDBPyConnection, directory: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("secret")
    passed: list[str] = []
    for sql in ATTACKS:
        named = sql.replace("{file}", str(file)).replace("{secrets}", str(directory / "secrets.sqlite"))
        try:
            passed.append(f"{sql}: {ask(client, named)}")
        except duckdb.Error:
            continue
    assert passed == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("file")] == ["file"]
    assert ask(client, "SELECT count(*) FROM hosts") == [(1,)]


QUACK_ATTACKS = [
    "FROM quack_active_connections()",
    "FROM quack_server_list()",
    "FROM quack_serve('quack:127.0.0.1:1')",
    "FROM quack_stop('quack:127.0.0.1:9494')",
    "SELECT quack_nop_authorization('a', 'b')",
    "SELECT proxmon_answer('a', 'FROM hosts')",
    "SELECT proxmon_enter('a', 'b')",
    "SELECT enter('a', 'b', 'c')",
    "SET GLOBAL quack_authorization_function = 'quack_nop_authorization'",
    "FROM duckdb_settings() WHERE name LIKE 'quack%'",
    "FROM quack_query('quack:127.0.0.1:9494', 'SELECT 1')",
    "SELECT current_setting('quack_authorization_function')",
    "CREATE OR REPLACE MACRO answer(a, b) AS b",
    "/**/ INSERT INTO hosts VALUES (1)",
    "insert into nothing sel",
    "SELECT '" + "x" * 70_000 + "'",
]
WRITES = [
    "INSERT INTO fleet.hosts (host) VALUES ('evil')",
    "INSERT INTO fleet.hosts (host) SELECT 'evil'",
    "CREATE TABLE fleet.evil (a INTEGER)",
    "CREATE TABLE fleet.evil AS SELECT 1 AS a",
    "CREATE VIEW fleet.evil AS SELECT 1 AS a",
    "CREATE SCHEMA fleet.evil",
    "DROP TABLE fleet.hosts",
    "DROP SCHEMA fleet.main",
    "ALTER TABLE fleet.hosts ADD COLUMN a INTEGER",
    "DELETE FROM fleet.hosts",
    "UPDATE fleet.hosts SET host = 'evil'",
    "COPY fleet.hosts FROM '/etc/hostname'",
]


@needs_quack
def test_quack_s_own_functions_are_out_of_reach(client: duckdb.DuckDBPyConnection) -> None:
    for sql in QUACK_ATTACKS:
        with pytest.raises(duckdb.Error):
            ask(client, sql)
    assert ask(client, "SELECT 1") == [(1,)]


@needs_quack
def test_nothing_is_written_by_attach(client: duckdb.DuckDBPyConnection, quack: QuackServer) -> None:
    for sql in WRITES:
        with pytest.raises(duckdb.Error):
            client.execute(sql)
    assert ask(client, "SELECT host FROM hosts") == [("pve-01",)]
    assert quack._run("SELECT table_name FROM duckdb_tables() WHERE table_name = 'evil'") == []


@needs_quack
def test_rows_are_appended_nowhere(quack: QuackServer, client: duckdb.DuckDBPyConnection) -> None:
    # So Quack asks about rows that it would append by itself: what is answered then is not run, only None refuses.
    (session,) = quack._tokens
    for table in ("main.rows_1", '"x"; SELECT 1 --', "x' VALUES (1) --", "", "\0"):
        assert quack._answer(session, f"INSERT INTO {table} VALUES (NULL)") is None
    assert quack._answer("another-session", "SELECT 1") is None


@needs_quack
def test_the_sentence_of_an_error_arrives(client: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.Error, match=r"read_text\(\) is not allowed"):
        ask(client, "FROM read_text('/etc/hostname')")
    with pytest.raises(duckdb.Error, match="syntax error"):
        ask(client, "SELEC 1")
    with pytest.raises(duckdb.Error, match="it's so"):
        ask(client, "SELECT CASE WHEN i = 900000 THEN error('it''s so') END FROM range(1000000) t(i)")


@needs_quack
def test_two_columns_may_have_one_name(client: duckdb.DuckDBPyConnection) -> None:
    answer = client.execute("FROM fleet.query('SELECT 1 AS a, 2 AS a, 3 AS A, 4 AS a_1')")
    assert [column[0] for column in answer.description or ()] == ["a", "a_1", "A_2", "a_1_1"]
    assert answer.fetchall() == [(1, 2, 3, 4)]


@needs_quack
def test_rows_that_were_handed_on_are_dropped_while_they_are_read(
    client: duckdb.DuckDBPyConnection, quack: QuackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = client.execute("FROM fleet.query('SELECT i FROM range(300000) t(i)')")
    seen = len(reading.fetchmany(10))
    monkeypatch.setattr("storage.quack.KEPT_SECONDS", -KEPT_SECONDS)
    quack.look_after(datetime.now(UTC))
    assert quack._run("SELECT count(*) FROM duckdb_tables()") == [(0,)]
    while rows := reading.fetchmany(100_000):
        seen += len(rows)
    assert seen == 300_000


READER = """
import sys
from pathlib import Path
from tests.attaching import attach
client = attach(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
client.execute("FROM fleet.query('SELECT i, repeat(''x'', 100) FROM range(1000000) t(i)')").fetchmany(1)
print("reading", flush=True)
sys.stdin.read()
"""


@needs_quack
def test_a_client_that_was_killed_while_it_read_is_let_go(quack: QuackServer, address: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", READER, str(tmp_path), address, TOKEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"
        reader.kill()
    now = datetime.now(UTC)
    quack.look_after(now)
    assert count_active(quack) == 1
    quack.look_after(now + STUCK_SPAN + timedelta(minutes=1))
    assert count_active(quack) == 0
    assert ask(attach(tmp_path, address, TOKEN), "SELECT 1") == [(1,)]


def count_active(quack: QuackServer) -> int:
    [(count,)] = quack._run("SELECT count(*) FROM quack_active_connections() WHERE state = 'active'")
    return count


@needs_quack
def test_the_oldest_sessions_are_forgotten(quack: QuackServer) -> None:
    for number in range(MOST_SESSIONS + 1):
        assert quack._enter(f"session-{number}", TOKEN)
    assert quack._answer("session-0", "SELECT 1") is None
    assert quack._answer("session-1", "SELECT 1") is not None


@needs_quack
def test_an_address_that_is_taken_is_said(quack: QuackServer, fleet: StoreFleet, address: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Choose another address"):
        QuackServer(fleet, address, tmp_path).serve()


@needs_quack
def test_this_duckdb_reads_no_file_and_its_settings_stay(quack: QuackServer) -> None:
    for sql in (
        "FROM read_text('/etc/hostname')",
        "SET GLOBAL quack_authorization_function = 'quack_nop_authorization'",
    ):
        with pytest.raises(duckdb.Error):
            quack._run(sql)


def test_without_the_extension_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=re.escape("pip install 'proxmon[quack]'")):
        find_extensions()


def test_an_extension_for_another_duckdb_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "extensions" / "v0.0.1").mkdir(parents=True)
    spec = importlib.machinery.ModuleSpec("extension", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    with pytest.raises(SettingsError, match=r"v0\.0\.1 and v"):
        find_extensions()


@pytest.mark.parametrize(("kind", "same"), [("VARCHAR[]", True), ("UUID", False), ("HUGEINT", False), ("JSON", False)])
def test_tables_with_types_that_change_on_the_way_are_not_told_of(kind: str, same: bool) -> None:
    assert is_same([("a", "BIGINT"), ("b", kind)]) is same


def test_a_text_in_sql_stays_a_text() -> None:
    assert literal("it's\0 so") == "'it''s so'"
