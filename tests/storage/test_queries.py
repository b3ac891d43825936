"""Queries of others: they read what is there, and nothing else, however they are written."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from proxmon.errors import QueryError
from proxmon.fleet import Host
from storage import Store
from tests.builders import a_sample

Ask = Callable[..., list[dict[str, Any]]]

LEGITIMATE = [
    "SELECT host, max(capacity_percent) FROM zpool_samples GROUP BY host",
    "FROM hosts",
    "TABLE hosts",
    "DESCRIBE host_samples",
    "SHOW TABLES",
    "SUMMARIZE host_samples",
    "WITH x AS (SELECT * FROM host_samples) SELECT avg(load1) FROM x",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t",
    "SELECT 1 UNION SELECT 2",
    "VALUES (1), (2)",
    "SELECT * FROM range(3)",
    "SELECT unnest(ips) FROM guest_addresses",
    "SELECT host, time_bucket(INTERVAL 1 MINUTE, observed_at), avg(load1) FROM host_samples GROUP BY ALL",
    "SELECT payload->>'$.host.load1' FROM samples WHERE tier = 'fast'",
    "SELECT *, row_number() OVER (PARTITION BY host ORDER BY observed_at) FROM host_samples",
    "SELECT column_name FROM duckdb_columns() WHERE table_name = 'host_samples'",
    "SELECT h.host FROM hosts h LEFT JOIN host_events e USING (host_id) WHERE e.kind = 'added'",
    "SELECT list_transform([1, 2], lambda x: x + 1)",
    "-- a comment\nSELECT 1;",
]
ATTACKS = [
    "INSERT INTO base.hosts VALUES (9, 'evil', now(), NULL)",
    "UPDATE base.hosts SET host = 'evil'",
    "DELETE FROM base.hosts",
    "TRUNCATE base.hosts",
    "DROP VIEW hosts",
    "CREATE TABLE t (a INT)",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE MACRO f() AS 1",
    "ALTER TABLE base.hosts ADD COLUMN x INT",
    "SELECT 1; DELETE FROM base.hosts",
    "WITH x AS (DELETE FROM base.hosts RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO base.hosts VALUES (9) RETURNING *) SELECT * FROM x",
    "EXPLAIN ANALYZE DELETE FROM base.hosts",
    "MERGE INTO base.hosts USING (SELECT 1 AS host_id) s USING (host_id) WHEN MATCHED THEN DELETE",
    "BEGIN",
    "COMMIT",
    "CHECKPOINT",
    "VACUUM",
    "COPY hosts TO '{file}'",
    "COPY (SELECT 1) TO '{file}' (FORMAT parquet)",
    "COPY base.hosts FROM '{file}'",
    "EXPORT DATABASE '{file}'",
    "IMPORT DATABASE '{file}'",
    "ATTACH '{file}'",
    "ATTACH ':memory:' AS m",
    "DETACH fleet",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '100GB'",
    "SET GLOBAL enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM READ_TEXT('{file}')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM read_csv_auto('{file}')",
    "SELECT * FROM read_json('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM parquet_metadata('{file}')",
    "SELECT * FROM sniff_csv('{file}')",
    "SELECT * FROM '{file}'",
    "SELECT * FROM '{file}.parquet'",
    "SELECT * FROM glob('*')",
    "SELECT (SELECT count(*) FROM read_text('{file}'))",
    "WITH x AS (FROM read_text('{file}')) FROM x",
    "FROM hosts, LATERAL (SELECT * FROM read_text('{file}'))",
    "SELECT * FROM hosts WHERE EXISTS (FROM read_text('{file}'))",
    "SELECT 1 ORDER BY (SELECT size FROM read_text('{file}'))",
    "SELECT 1 LIMIT (SELECT size FROM read_text('{file}'))",
    "SELECT list_transform([1], lambda x: (SELECT size FROM read_text('{file}')))",
    "DESCRIBE (SELECT * FROM read_text('{file}'))",
    "SUMMARIZE (SELECT * FROM read_text('{file}'))",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('hosts')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM checkpoint()",
    "SELECT * FROM force_checkpoint()",
    "SELECT * FROM pragma_storage_info('base.hosts')",
    "SELECT * FROM sqlite_scan('{secrets}', 'host_secrets')",
    "SELECT * FROM host_secrets",
    "SELECT getenv('HOME')",
    "SELECT current_setting('memory_limit')",
    "SELECT nextval('base.host_ids')",
    "SELEC 1",
    "SELECT * FROM nothing",
    "",
    ";",
]


@pytest.fixture
def ask(store: Store, host: Host) -> Ask:
    """Give a function that runs a query to its end, on a store with one host and one sample."""
    store.append([a_sample(host.id)]).result()

    def ask(sql: str, parameters: Any = None, seconds: float = 20) -> list[dict[str, Any]]:
        answer = store.query(sql, parameters, seconds)
        try:
            stream = b"".join(iter(answer.next_chunk, b""))
        finally:
            answer.close()
        return pa.ipc.open_stream(stream).read_all().to_pylist()

    return ask


@pytest.mark.parametrize("sql", LEGITIMATE)
def test_a_query_that_reads_is_answered(ask: Ask, sql: str) -> None:
    ask(sql)


@pytest.mark.parametrize("sql", ATTACKS)
def test_anything_else_is_refused_and_changes_nothing(ask: Ask, directory: Path, tmp_path: Path, sql: str) -> None:
    file = tmp_path / "file"
    file.write_text("secret")
    before = ask("SELECT (SELECT count(*) FROM hosts) AS hosts, (SELECT count(*) FROM samples) AS samples")
    with pytest.raises(QueryError):
        ask(sql.replace("{file}", str(file)).replace("{secrets}", str(directory / "secrets.sqlite")))
    assert ask("SELECT (SELECT count(*) FROM hosts) AS hosts, (SELECT count(*) FROM samples) AS samples") == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("file")] == ["file"]
    assert file.read_text() == "secret"


def test_what_was_acknowledged_is_in_the_typed_tables(ask: Ask) -> None:
    assert ask("SELECT load1 FROM host_samples") == [{"load1": 0.5}]


def test_parameters_are_values_and_never_sql(ask: Ask) -> None:
    assert ask("SELECT ? AS a", ["'; DROP VIEW hosts; --"]) == [{"a": "'; DROP VIEW hosts; --"}]
    assert ask("SELECT $x + 1 AS a", {"x": 41}) == [{"a": 42}]


def test_a_query_that_takes_too_long_is_ended_and_says_so(ask: Ask) -> None:
    with pytest.raises(QueryError, match=r"longer than 0\.2 s"):
        ask("SELECT count(*) FROM range(100000) a, range(1000000) b", seconds=0.2)
    assert ask("SELECT 1 AS a") == [{"a": 1}]


def test_a_query_that_takes_too_much_memory_is_ended_and_samples_go_on(ask: Ask, store: Store, host: Host) -> None:
    with pytest.raises(QueryError):
        ask("SELECT list(i || repeat('x', 100)) FROM range(100000000) t(i)")
    assert store.append([a_sample(host.id, tier="slow")]).result().stored == 1


def test_many_rows_come_in_parts(store: Store) -> None:
    answer = store.query("SELECT i FROM range(200000) t(i)")
    chunks = list(iter(answer.next_chunk, b""))
    answer.close()
    assert len(chunks) > 3
    assert pa.ipc.open_stream(b"".join(chunks)).read_all().num_rows == 200_000


def test_an_answer_that_nobody_reads_to_its_end_lets_go_of_its_moment(store: Store, host: Host) -> None:
    answer = store.query("SELECT i FROM range(10000000) t(i)")
    answer.next_chunk()
    answer.close()
    answer.close()
    assert answer.next_chunk() == b""


def test_closing_the_store_ends_what_still_runs(store: Store) -> None:
    answer = store.query("SELECT count(*) FROM range(100000) a, range(1000000) b", seconds=60)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(answer.next_chunk)
        while not answer._timer.is_alive():
            pass
        store.close()
        with pytest.raises(QueryError):
            running.result(timeout=10)


def test_a_store_goes_on_after_an_abandoned_answer(store: Store, host: Host) -> None:
    store.query("SELECT 1").close()
    assert store.append([a_sample(host.id)]).result().stored == 1
