"""Queries of others: they read what is there, and nothing else, however they are written."""

from __future__ import annotations

import json
import os
import re
import resource
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from proxmon.errors import OverloadedError, QueryError, StoreUnavailableError
from proxmon.fleet import Host
from storage import Store
from storage.functions import FUNCTIONS, TABLE_FUNCTIONS
from storage.gate import check_query
from storage.guard import ABANDONED, LOWEST_PRIORITY, MOST_ABANDONED, headroom_bytes
from storage.queries import CHUNK_BYTES, QueryAnswer
from tests.builders import a_sample
from tests.counts import Count
from tests.waiting import wait_for

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
    "SHOW ALL TABLES",
    "FROM duckdb_views",
    "FROM information_schema.columns",
    "PIVOT (SELECT host, tier FROM samples) ON tier IN ('fast', 'slow') USING count(*)",
    "SELECT * FROM hosts ORDER BY host DESC NULLS LAST LIMIT 10 OFFSET 0",
    "SELECT DISTINCT ON (host) host, load1::DECIMAL(9, 2) FROM host_samples ORDER BY host, observed_at DESC",
    "SELECT {'a': 1}::STRUCT(a INT), [1]::INT[], 'a'::ENUM('a', 'b'), MAP {'k': 1}",
    "FROM zpool_samples z ASOF JOIN host_samples h ON z.host_id = h.host_id AND z.observed_at >= h.observed_at",
    "FROM host_samples USING SAMPLE 10%",
    "FROM (SELECT 1 AS a, 2 AS b) UNPIVOT (value FOR name IN (a, b))",
    "SELECT payload->'host'->>'load1', json_extract_string(payload, '$.host.load1') FROM samples",
    "SELECT (payload->'host'->'load1')::DOUBLE, CAST(payload->'host' AS JSON), payload::JSON::VARCHAR FROM samples",
    "SELECT json_keys(payload), json_type(payload->'host'), json_array_length('[1]') FROM samples",
    "SELECT key, value FROM samples, json_each(samples.payload)",
    "SELECT lag(load1) OVER w, lead(load1, 2, 0.0) OVER w, lag(load1, -1) OVER w FROM host_samples "
    "WINDOW w AS (PARTITION BY host ORDER BY observed_at)",
    "SELECT avg(load1) OVER (ORDER BY observed_at ROWS BETWEEN 5 PRECEDING AND 2 FOLLOWING) FROM host_samples",
    "SELECT avg(load1) OVER (ORDER BY observed_at RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW), "
    "max(load1) OVER (ORDER BY observed_at RANGE INTERVAL '10 minutes' PRECEDING) FROM host_samples",
    "SELECT list_aggregate([1, 2], 'sum'), list_sum([1, 2]), [x * 2 for x in [1, 2] if x > 1]",
    "FROM hosts WHERE host LIKE 'pve-%' OR host ILIKE '%PVE%' OR host GLOB 'pve-*' OR host SIMILAR TO 'p.*'",
    "FROM hosts WHERE host LIKE '%p%v%e%' AND host NOT ILIKE 'x%y%' AND contains(host, 'pve')",
    "FROM hosts h, host_samples s WHERE contains(h.host, left(s.host, 100)) AND starts_with(h.host, s.host)",
    "SELECT replace(host, '-', '_'), split_part(host, '-', 1), string_split(host, '-'), instr(host, 'v') FROM hosts",
    "SELECT regexp_extract(host, '(\\d+)', 1), regexp_replace(host, '[0-9]+', '') FROM hosts",
    "SELECT list_contains(ips, '10.0.0.1'), contains(ips, '10.0.0.1'), position('a' IN name) FROM guest_addresses",
    "SELECT 1 IN [1, 2], host IN ['a', lower(host)], host NOT IN ['a'], [x for x in ['a'] if x in ['a']] FROM hosts",
    "SELECT vmid IN range(100, 110), contains(MAP {'a': 1}, name), vmid NOT IN [100] FROM guest_samples",
    "SELECT list_aggregate([1], 'SUM'), string_split(host, chr(10)) FROM hosts",
    "SELECT avg(load1) OVER (ORDER BY observed_at ROWS 24 * 3600 PRECEDING), max(load1) OVER (ORDER BY observed_at "
    "RANGE BETWEEN INTERVAL 1 HOUR + INTERVAL 30 MINUTE PRECEDING AND CURRENT ROW) FROM host_samples",
    "SELECT observed_at AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin' FROM host_samples",
    "SELECT extract(hour FROM observed_at), date_trunc('day', observed_at), strftime(observed_at, '%H') "
    "FROM host_samples",
    "SELECT quantile_cont(load1, 0.95), arg_max(host, load1), histogram(load1), count(DISTINCT host) FROM host_samples",
    "SELECT coalesce(host, 'x'), nullif(host, 'x'), CASE WHEN true THEN 1 END, 1 BETWEEN 0 AND 2 FROM hosts",
]
DEEP_LIST = "repeat('[', 100000) || repeat(']', 100000)"
DEEP_OBJECT = "repeat('{\"a\":', 100000) || '1' || repeat('}', 100000)"
# These ended the whole process, or nothing interrupted them.
FATAL = [
    "SELECT lag(x, -9223372036854775808) OVER () FROM range(3) t(x)",
    "SELECT lead(x, -9223372036854775807 - 1) OVER () FROM range(3) t(x)",
    "SELECT lag(x, x) OVER () FROM range(3) t(x)",
    "SELECT lag(x, 4000000000 * 2000000000) OVER () FROM range(3) t(x)",
    "SELECT sum(x) OVER (ORDER BY x ROWS 4 * -5 PRECEDING) FROM range(30) t(x)",
    "SELECT lag(x, (-9223372036854775808)::BIGINT) OVER () FROM range(3) t(x)",
    "SELECT median(x::VARCHAR) OVER (ORDER BY x ROWS BETWEEN x - 20 PRECEDING AND x FOLLOWING) FROM range(30) t(x)",
    "SELECT sum(x) OVER (ORDER BY x ROWS BETWEEN -5 PRECEDING AND CURRENT ROW) FROM range(30) t(x)",
    "SELECT sum(x) OVER (ORDER BY x RANGE BETWEEN x PRECEDING AND CURRENT ROW) FROM range(30) t(x)",
    f"SELECT json_structure({DEEP_LIST})",
    f"SELECT json_group_structure({DEEP_LIST})",
    f"SELECT json_merge_patch({DEEP_OBJECT}, {DEEP_OBJECT})",
    f"SELECT json_contains({DEEP_LIST}, {DEEP_LIST})",
    f"SELECT json_transform('1', {DEEP_LIST})",
    f"SELECT json_transform_strict('1', {DEEP_LIST})",
    f"SELECT from_json('1', {DEEP_LIST})",
    f"SELECT from_json_strict('1', {DEEP_LIST})",
    "SELECT json_deserialize_sql(replace(json_serialize_sql('SELECT 1')::VARCHAR, '\"from_table\":', '\"x\":'))",
    "SELECT json_deserialize_sql('{}')",
    f"SELECT ({DEEP_LIST})::JSON::VARIANT::VARCHAR",
    f"SELECT TRY_CAST(({DEEP_OBJECT})::JSON AS VARIANT)",
    f"SELECT CAST({{'a': ({DEEP_OBJECT})::JSON}} AS STRUCT(a VARIANT))",
    f"SELECT [({DEEP_OBJECT})::JSON]::VARIANT[]",
    f"SELECT variant_typeof(({DEEP_LIST})::JSON)",
    "SELECT 'POINT (1 2)'::GEOMETRY",
    "SELECT sum(1) EXPORT_STATE",
    "SELECT list_aggregate([1, 2, 3], 'reservoir_quantile', 0.5)",
    "SELECT list_aggr([1, 2, 3], 'reservoir' || '_quantile', 0.5)",
    "SELECT array_aggregate([1, 2, 3], 'Reservoir_Quantile', 0.5)",
    "SELECT array_aggr([1, 2, 3], x) FROM (VALUES ('reservoir_quantile')) t(x)",
    "SELECT aggregate([1, 2, 3], 'lag')",
    "SELECT contains(repeat('a', 20000000), repeat('a', 10000000) || 'b')",
    "SELECT instr(a, b) FROM (SELECT repeat('a', 20000000) AS a, repeat('a', 10000000) || 'b' AS b)",
    "SELECT strpos(repeat('a', 20000000), left(repeat('a', 10000000), -1))",
    "SELECT position(repeat('a', 10000000) || 'b' IN repeat('a', 20000000))",
    "SELECT replace(repeat('a', 20000000), repeat('a', 10000000) || 'b', '')",
    "SELECT string_split(repeat('a', 20000000), repeat('a', 10000000) || 'b')",
    "SELECT contains(repeat('a', 20000000)::VARCHAR, repeat('a', 10000000) || 'b')",
    "SELECT repeat('a', 10000000) || 'b' IN repeat('a', 20000000)",
    "SELECT a.contains(b) FROM (SELECT repeat('a', 20000000) AS a, repeat('a', 10000000) || 'b' AS b)",
    "SELECT system.contains('a', b) FROM (SELECT repeat('a', 10000000) || 'b' AS b)",
    "SELECT system.main.contains('a', b) FROM (SELECT repeat('a', 10000000) || 'b' AS b)",
    "SELECT ('a').contains(b) FROM (SELECT repeat('a', 10000000) || 'b' AS b)",
    "SELECT x.lag(-9223372036854775808) OVER () FROM range(3) t(x)",
    "SELECT l.list_aggregate('reservoir_quantile', 0.5) FROM (SELECT [1] AS l)",
    "SELECT repeat('a', 40) GLOB (repeat('*a', 39) || 'b')",
    "SELECT repeat('a', 40) GLOB '*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b'",
    "SELECT repeat('a', 3000) ILIKE repeat('%a', 1400) || 'b'",
    "SELECT repeat('a', 3000) NOT ILIKE '%a%a%a%a%a%a%a%a%a%ab'",
    "SELECT repeat('a', 3000) LIKE '%a%a%a%a%a%a%_b'",
    "SELECT repeat('a', 3000) LIKE '%a%a%a%a%a%ab' ESCAPE '!'",
    "SELECT \"~~~\"(repeat('a', 40), repeat('*a', 39) || 'b')",
    "SELECT timezone(repeat('a', 200000), TIMESTAMP '2000-01-01')",
    "SELECT TIMESTAMP '2000-01-01' AT TIME ZONE repeat('a', 200000)",
]
ATTACKS = [
    *FATAL,
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
    "SELECT system.main.nextval('base.host_ids')",
    "SELECT \"nextval\"('base.host_ids')",
    "SELECT 'base.host_ids'.nextval()",
    "SELECT sleep_ms(1)",
    "SELECT write_log('x')",
    "SELECT json_serialize_plan('SELECT 1')",
    "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))",
    "SELECT reservoir_quantile(-1, 'nan'::DOUBLE)",
    "SELECT __internal_decompress_string(1::UBIGINT)",
    "SELECT finalize('abc'::BLOB)",
    "SELECT current_setting('temp_directory') FROM hosts",
    "FROM pragma_user_agent()",
    "FROM sqlite_master",
    "SELECT * FROM (DELETE FROM base.hosts RETURNING *)",
    "WITH x AS (SET memory_limit = '1GB') SELECT 1",
    "WITH x AS (CALL checkpoint()) SELECT 1",
    "WITH x AS (ATTACH ':memory:' AS m) SELECT 1",
    "WITH x AS (UPDATE base.hosts SET host = 'evil' RETURNING *) FROM x",
    "WITH x AS (COPY hosts TO '{file}') SELECT 1",
    "FROM pg_catalog.pg_settings",
    "FROM pg_settings",
    "FROM pg_catalog.pg_settings",
    "SELECT * FROM system.information_schema.tables, pg_catalog.pg_attribute",
    "FROM duckdb_logs",
    "FROM duckdb_logs()",
    "FROM duckdb_secrets",
    "FROM duckdb_memory()",
    "FROM duckdb_temporary_files()",
    "FROM duckdb_external_file_cache()",
    "FROM duckdb_settings WHERE name = 'temp_directory'",
    "FROM arrow_scan(1, 2, 3)",
    "FROM read_ndjson_objects('{file}')",
    "FROM read_csv(['{file}', '{file}'])",
    "COPY (FROM hosts) TO '{file}' (FORMAT csv)",
    "SET memory_limit TO '100GB'",
    "SET SESSION threads = 64",
    "PRAGMA memory_limit = '100GB'",
    "PRAGMA show_tables",
    "SELECT list_transform(['HOME'], lambda x: getenv(x))",
    "SELECT * FROM hosts WHERE getenv('HOME') = host",
    "FROM python_variable",
    "FROM duckdb_databases()",
    "FROM pragma_database_list",
    "SHOW DATABASES",
    "SHOW variables",
    "DESCRIBE '{file}'",
    "SUMMARIZE '{file}.csv'",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "SET VARIABLE a = 1",
    "PIVOT hosts ON host",
    "SELECT 1" + "+1" * 900,
    "SELECT " + "[" * 900 + "1" + "]" * 900,
    "SELECT count(*) FROM range(1)" + " CROSS JOIN range(1)" * 900,
    "SELECT 1 IN (" + ",".join(map(str, range(20_000))) + ")",
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


@pytest.mark.parametrize("sql", ATTACKS, ids=lambda sql: sql[:60])
def test_anything_else_is_refused_and_changes_nothing(
    ask: Ask, directory: Path, tmp_path: Path, sql: str, count: Count
) -> None:
    file = tmp_path / "file"
    file.write_text("secret")
    python_variable = pa.table({"a": [1]})
    before = ask("SELECT (SELECT count(*) FROM hosts) AS hosts, (SELECT count(*) FROM samples) AS samples")
    refused = is_refused(ask, sql.replace("{file}", str(file)).replace("{secrets}", str(directory / "secrets.sqlite")))
    count("SQL that does more than read", statements=1, answered=not refused)
    assert refused
    assert ask("SELECT (SELECT count(*) FROM hosts) AS hosts, (SELECT count(*) FROM samples) AS samples") == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("file")] == ["file"]
    assert file.read_text() == "secret"
    assert python_variable.num_rows == 1


def is_refused(ask: Ask, sql: str) -> bool:
    try:
        ask(sql)
    except QueryError:
        return True
    return False


def test_what_was_acknowledged_is_in_the_typed_tables(ask: Ask) -> None:
    assert ask("SELECT load1 FROM host_samples") == [{"load1": 0.5}]


def test_parameters_are_values_and_never_sql(ask: Ask) -> None:
    assert ask("SELECT ? AS a", ["'; DROP VIEW hosts; --"]) == [{"a": "'; DROP VIEW hosts; --"}]
    assert ask("SELECT $x + 1 AS a", {"x": 41}) == [{"a": 42}]


def test_a_query_that_takes_too_long_is_ended_and_says_so(ask: Ask) -> None:
    with pytest.raises(QueryError, match=r"longer than 0\.2 s"):
        ask("SELECT count(*) FROM range(100000) a, range(1000000) b", seconds=0.2)
    assert ask("SELECT 1 AS a") == [{"a": 1}]


def test_no_table_function_but_those_listed_is_let_through(store: Store) -> None:
    with store._database.reader() as cursor:
        names = cursor.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('table', 'table_macro')"
        ).fetchall()
        others = {name for (name,) in names} - TABLE_FUNCTIONS
        assert len(others) > 50
        for name in others:
            with pytest.raises(QueryError, match="not allowed"):
                check_query(cursor, f'SELECT * FROM "{name}"()')


def test_times_are_compared_in_utc_wherever_the_server_stands(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        store = Store.open(directory)
        with store._database.reader() as cursor:
            (row,) = cursor.execute(
                "SELECT now()::TIMESTAMP - $1::TIMESTAMP", [datetime.now(UTC).isoformat()]
            ).fetchall()
        store.close()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert abs(row[0]) < timedelta(minutes=1)


def test_a_slow_reader_does_not_use_up_the_query_s_time(store: Store) -> None:
    answer = store.query("SELECT i, repeat('x', 100) FROM range(100000) t(i)", seconds=2)
    first = answer.next_chunk()
    assert len(first) >= CHUNK_BYTES
    answer.check(time.monotonic() + 3600)
    assert b"".join([first, *iter(answer.next_chunk, b"")]).endswith(b"\xff\xff\xff\xff\x00\x00\x00\x00")
    answer.close()


def test_a_query_that_fails_after_its_first_rows_says_so_in_the_stream(store: Store) -> None:
    answer = store.query("SELECT i, CASE WHEN i = 900000 THEN error('boom') END FROM range(1000000) t(i)")
    chunks: list[bytes] = []
    with pytest.raises(QueryError, match="boom"):
        chunks.extend(iter(answer.next_chunk, b""))
    answer.close()
    reader, told = pa.ipc.open_stream(b"".join(chunks)), None
    while told is None:
        _, told = reader.read_next_batch_with_custom_metadata()
    assert b"boom" in told[b"error"]


def test_with_parameters_rows_are_streamed_as_well(store: Store) -> None:
    sql = "SELECT i, CASE WHEN i = 2900000 THEN error('boom') END FROM range(3000000) t(i) WHERE i >= ?"
    answer = store.query(sql, [0], seconds=60)
    assert answer.next_chunk(), "rows come before the last of them was computed"
    with pytest.raises(QueryError, match="boom"):
        list(iter(answer.next_chunk, b""))
    answer.close()


@pytest.mark.parametrize(("available", "headroom"), [(64 * 2**20, 2048), (3 * 2**20, 1536), (2**18, 512)])
def test_queries_take_at_most_half_of_what_a_small_machine_has_left(available: int, headroom: int) -> None:
    assert headroom_bytes(f"MemTotal: 1 kB\nMemAvailable:   {available} kB\n") == headroom * 2**20


def test_a_store_closes_although_a_query_does_not_hear(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.readings.PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr("storage.database.REOPEN_WAIT_SECONDS", 0.1)
    is_in_its_call, may_end, run = threading.Event(), threading.Event(), QueryAnswer._run

    def hear_nothing(answer: QueryAnswer) -> Any:
        is_in_its_call.set()
        may_end.wait()
        return run(answer)

    monkeypatch.setattr(QueryAnswer, "_run", hear_nothing)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    deaf = store.query("SELECT 1")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(deaf.next_chunk)
        is_in_its_call.wait()
        store.close()
        assert ABANDONED
        with pytest.raises(QueryError):
            running.result()
        may_end.set()
    wait_for(lambda: not ABANDONED)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.fixture
def may_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Make queries hear nothing until this event is set."""
    monkeypatch.setattr("storage.queries.HEARING_SECONDS", 0.05)
    may_end, run = threading.Event(), QueryAnswer._run

    def hear_nothing(answer: QueryAnswer) -> Any:
        may_end.wait()
        return run(answer)

    wait_for(lambda: not ABANDONED)  # a test before may have left one that hears late on a busy machine
    monkeypatch.setattr(QueryAnswer, "_run", hear_nothing)
    yield may_end
    may_end.set()
    wait_for(lambda: not ABANDONED)


def test_a_query_that_does_not_hear_makes_room_for_others_until_there_are_too_many(
    store: Store, may_end: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1, MOST_ABANDONED + 1):
        deaf = store.query("SELECT 1", seconds=0.05)
        with pytest.raises(QueryError, match=r"longer than 0\.05 s"):
            deaf.next_chunk()
        deaf.close()
        assert caplog.messages[-1].endswith(f"({number} of {MOST_ABANDONED})")
        assert store._database._readers == number
    with pytest.raises(OverloadedError, match="started again"):
        store.query("SELECT 1")
    may_end.set()
    wait_for(lambda: not store._database._readers)
    answer = store.query("SELECT 1")
    assert answer.next_chunk()
    answer.close()


def test_what_goes_on_although_it_was_ended_lets_all_else_run_first(store: Store, may_end: threading.Event) -> None:
    deaf = store.query("SELECT 1", seconds=0.05)
    with pytest.raises(QueryError):
        deaf.next_chunk()
    assert os.getpriority(os.PRIO_PROCESS, deaf._thread) == LOWEST_PRIORITY
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < LOWEST_PRIORITY
    assert not may_end.is_set()


def test_names_and_patterns_may_be_parameters_within_the_same_bounds(ask: Ask) -> None:
    assert ask("SELECT host FROM hosts WHERE host LIKE ? AND contains(host, ?)", ["pve-%", "01"]) == [
        {"host": "pve-01"}
    ]
    assert ask("SELECT lag(x, $by) OVER () AS y FROM range(2) t(x)", {"by": 1}) == [{"y": None}, {"y": 0}]
    for sql, given in [
        ("SELECT 'a' LIKE ?", ["%a%a%a_b"]),
        ("SELECT contains('a', $needle)", {"needle": "a" * 2000}),
        ("SELECT contains('a', $Needle)", {"needle": "a" * 2000}),
        ("SELECT lag(x, ?) OVER () FROM range(2) t(x)", [-(2**63)]),
        ("SELECT list_aggregate([1], ?)", ["reservoir_quantile"]),
    ]:
        with pytest.raises(QueryError):
            ask(sql, given)


@pytest.mark.parametrize(
    ("sql", "instead"),
    [
        ("SELECT json_structure('1')", "json_extract, -> and ->>"),
        ("SELECT 1::VARIANT", "json_extract, -> and ->>"),
        ("SELECT reservoir_quantile(1, 0.5)", "quantile_cont"),
        ("SELECT host ILIKE '%a%b%c' FROM hosts", "regexp_matches"),
        ("SELECT host LIKE lower(host) FROM hosts", "starts_with"),
        ("SELECT contains(host, host) FROM hosts", "left"),
    ],
)
def test_a_refusal_says_what_to_write_instead(ask: Ask, sql: str, instead: str) -> None:
    with pytest.raises(QueryError, match=re.escape(instead)):
        ask(sql)


def test_a_function_that_nobody_judged_is_refused(store: Store) -> None:
    with store._database.reader() as cursor:
        rows = cursor.execute("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()
        unknown = {name.lower() for (name,) in rows} - FUNCTIONS - TABLE_FUNCTIONS
        assert len(unknown) > 100
        for name in unknown:
            quoted = name.replace('"', '""')
            with pytest.raises(QueryError):
                check_query(cursor, f'SELECT "{quoted}"(1, 2)')


def test_a_query_that_begins_while_the_store_is_closed_does_not_hold_it_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.REOPEN_WAIT_SECONDS", 60.0)
    closing, make = threading.Thread(target=store.close), QueryAnswer.__init__

    def begin(answer: QueryAnswer, *arguments: Any) -> None:
        make(answer, *arguments)
        closing.start()
        wait_for(lambda: store._is_ending)

    monkeypatch.setattr(QueryAnswer, "__init__", begin)
    with pytest.raises(StoreUnavailableError, match="being closed"):
        store.query("SELECT 1")
    closing.join(20)
    assert not closing.is_alive()


def test_queries_of_two_stores_leave_the_memory_of_the_process_unbounded(store: Store, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    other = Store.open(tmp_path / "other")
    first, second = store.query("FROM range(1000000)"), other.query("FROM range(1000000)")
    first.next_chunk()
    second.next_chunk()
    assert resource.getrlimit(resource.RLIMIT_DATA) != before
    first.close()
    assert resource.getrlimit(resource.RLIMIT_DATA) != before
    second.close()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    other.close()


def test_no_single_call_takes_more_memory_than_the_server_has(ask: Ask) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(QueryError):
        ask("SELECT len(range(2000000000))")
    with pytest.raises(QueryError):
        ask("SELECT length(replace(repeat('x', 30000), 'x', repeat('y', 100000)))", seconds=2)
    # One that hears nothing on a busy machine goes on, within the limit, until its call returns.
    wait_for(lambda: resource.getrlimit(resource.RLIMIT_DATA) == before)
    assert ask("SELECT 1 AS a") == [{"a": 1}]


HUGE = [
    "SELECT length(repeat('x', 1000000000))",
    "SELECT length(repeat(repeat('x', 100000), 1000000))",
    "SELECT count(*) FROM range(10000000000) a, range(10000000000) b",
    "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c WHERE a.range + b.range = c.range",
    "SELECT string_agg(repeat('x', 1000), '') FROM range(10000000)",
    "SELECT list(range) FROM range(1000000000)",
    "SELECT i FROM range(300000000) t(i) ORDER BY hash(i)",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    "WITH RECURSIVE t(x) AS (SELECT 'x' UNION ALL SELECT x || x FROM t) SELECT max(length(x)) FROM t",
    "SELECT * FROM generate_series(1, 9000000000000000000) WHERE generate_series < 0",
    "SELECT regexp_matches(repeat('a', 50000000), '(a*)*b')",
]


@pytest.mark.parametrize("sql", HUGE, ids=lambda sql: sql[:60])
def test_a_query_that_asks_for_too_much_ends_and_samples_go_on(ask: Ask, store: Store, host: Host, sql: str) -> None:
    with suppress(QueryError):
        ask(sql, seconds=2)
    assert store.append([a_sample(host.id, tier="slow")]).result().stored == 1
    assert ask("SELECT 1 AS a") == [{"a": 1}]


def test_an_ended_query_lets_the_store_be_checkpointed(store: Store, host: Host) -> None:
    answer = store.query("SELECT i FROM range(10000000) t(i)")
    answer.next_chunk()
    assert store._database._readers == 1
    answer.close()
    assert store._database._readers == 0
    store._writer.run(lambda connection: connection.execute("COMMIT; CHECKPOINT; BEGIN"))


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
        while answer._working_since is None:
            pass
        store.close()
        with pytest.raises(QueryError):
            running.result(timeout=10)


def test_a_store_goes_on_after_an_abandoned_answer(store: Store, host: Host) -> None:
    store.query("SELECT 1").close()
    assert store.append([a_sample(host.id)]).result().stored == 1


EXAMPLES = re.findall(
    r'fleet\.sql\("(SELECT [^"…]+)"(?:, (\[.*\]))?\)', (Path(__file__).parents[2] / "docs" / "analysts.md").read_text()
)


@pytest.mark.parametrize(("sql", "parameters"), EXAMPLES)
def test_the_examples_in_the_docs_are_answered(ask: Ask, sql: str, parameters: str) -> None:
    ask(sql, json.loads(parameters) if parameters else None)


def test_a_long_list_is_a_parameter(ask: Ask) -> None:
    names = ["pve-01", "pve-02"]
    assert ask("SELECT host FROM hosts WHERE list_contains(?, host)", [names]) == [{"host": "pve-01"}]
    assert ask("SELECT host FROM hosts WHERE host IN ?", [names]) == [{"host": "pve-01"}]
    assert ask("SELECT host FROM hosts WHERE host IN $names", {"names": names}) == [{"host": "pve-01"}]
