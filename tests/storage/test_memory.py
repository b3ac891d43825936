"""What the store holds in memory does not grow with what it has on the disk."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

import storage.database
from proxmon.fleet import Host
from storage import Store
from tests.builders import NOW, a_fast_payload, a_sample
from tests.storage.conftest import SECRET, ask_file

MIB = 2**20
CHECKPOINTS, SAMPLES_EACH = 16, 6


def test_checkpoints_of_large_payloads_need_no_more_memory_the_more_there_are(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(storage.database.CONFIG, "memory_limit", "48MB")
    store = Store.open(directory)
    host = store.add_host("pve-01", SECRET, NOW)
    for number in range(CHECKPOINTS * SAMPLES_EACH):
        at = NOW + timedelta(seconds=number)
        payload = a_fast_payload(padding=f"{number}" * (MIB // len(f"{number}")))
        store.append([a_sample(host.id, collected_at=at, payload=payload)]).result()
        if number % SAMPLES_EACH == 0:
            store.settle()
            with store._writer._filler.lock:
                assert store._writer._filler._checkpoint()
    store.close()
    assert ask_file(directory, "SELECT count(*) FROM base.fast_samples") == [(CHECKPOINTS * SAMPLES_EACH,)]


def test_what_was_written_does_not_stay_in_memory(
    store: Store, host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.RESTING_MEMORY", "2MB")
    for number in range(120):
        payload = a_fast_payload(padding=os.urandom(50_000).hex())
        at = NOW + timedelta(seconds=number)
        store.append([a_sample(host.id, collected_at=at, payload=payload)]).result()
    store.settle()
    with store._writer._filler.lock:
        assert store._writer._filler._checkpoint()
    with store._database.reader() as cursor:
        [(held,)] = cursor.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchall()
        [(limit,)] = cursor.execute("SELECT current_setting('memory_limit')").fetchall()
    assert (directory / "fleet.duckdb").stat().st_size > 3 * MIB
    assert held <= 2 * MIB
    assert limit == "488.2 MiB"


def test_a_reader_never_meets_the_lower_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    database, found = store._database, list[object]()

    def read() -> None:
        with database.reader() as cursor:
            found.extend(cursor.execute("SELECT current_setting('memory_limit')").fetchone() or ())

    class Slow:
        """The writer's connection, with somebody who wants to read as soon as the limit is lowered."""

        def __init__(self, connection: DuckDBPyConnection) -> None:
            self.cursor, self._connection = connection.cursor, connection

        def execute(self, statement: str) -> None:
            self._connection.execute(statement)
            if storage.database.RESTING_MEMORY in statement:
                reader.start()
                reader.join(0.5)

    reader, slow = threading.Thread(target=read), Slow(database.writer())
    with store._writer._filler.lock, monkeypatch.context() as slowed:
        slowed.setattr(database, "writer", lambda: slow)
        database.let_go()
    reader.join()
    assert found == ["488.2 MiB"]
