"""After many checkpoints the file is opened anew, which gives memory back, and nobody can tell."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

import storage.checkpoints
from proxmon.fleet import Host
from storage import Store
from storage.database import Database
from tests.builders import NOW, a_sample
from tests.storage.conftest import Query, ask_file
from tests.waiting import wait_for

SECOND = timedelta(seconds=1)
COUNT = "SELECT count(*) FROM base.host_samples"
Grow = Callable[[int], None]


@pytest.fixture(autouse=True)
def few_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each fill end in a checkpoint, and each second one in opening the file anew."""
    monkeypatch.setattr(storage.checkpoints, "CHECKPOINT_WAL_BYTES", 1)
    monkeypatch.setattr(storage.checkpoints, "MOST_CHECKPOINTS", 2)


@pytest.fixture
def opened(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count from now on how often the file is opened."""
    found: list[int] = []
    original = Database.open

    def count(database: Database) -> None:
        original(database)
        found.append(1)

    monkeypatch.setattr(Database, "open", count)
    return found


@pytest.fixture
def grow(store: Store, host: Host) -> Grow:
    """Give a function that stores a sample with this number, and lets the filler checkpoint."""

    def act(number: int) -> None:
        store.append([a_sample(host.id, collected_at=NOW + number * SECOND)]).result()
        with store._writer._filler.lock:
            store._writer._filler.fill()
            store._writer._filler.checkpoint()

    return act


def test_the_file_is_opened_anew_and_everything_is_there(
    store: Store, grow: Grow, opened: list[int], directory: Path, query: Query
) -> None:
    for number in range(7):
        grow(number)
        assert store.snapshot().hosts[0].samples
    assert len(opened) >= 3  # the filler may checkpoint by itself, too
    store.keep_up(NOW + timedelta(hours=2))
    assert query("SELECT count(*), count(DISTINCT observed_at) FROM host_samples") == [(7, 7)]
    assert ask_file(directory, "SELECT sum(load1_count) FROM base.host_1h") == [(7,)]


def test_who_reads_goes_on_and_it_is_done_later(store: Store, grow: Grow, opened: list[int], query: Query) -> None:
    is_reading, may_end, counts = threading.Event(), threading.Event(), list[object]()

    def read() -> None:
        with store._database.reader() as cursor:
            counts.append(cursor.execute(COUNT).fetchall())
            is_reading.set()
            may_end.wait(30)
            counts.append(cursor.execute(COUNT).fetchall())

    reading = threading.Thread(target=read)
    reading.start()
    is_reading.wait(30)
    for number in range(4):
        grow(number)
    assert not opened
    may_end.set()
    reading.join()
    assert counts == [[(0,)], [(0,)]]
    grow(4)
    assert opened
    assert query("SELECT count(*) FROM host_samples") == [(5,)]


def test_a_file_that_cannot_be_opened_is_tried_again_and_loses_nothing(
    grow: Grow, query: Query, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original, failures = Database.open, [duckdb.IOException("Could not set lock"), duckdb.IOException("again")]

    def fail(database: Database) -> None:
        if failures:
            raise failures.pop()
        original(database)

    monkeypatch.setattr(Database, "open", fail)
    grow(0)
    grow(1)
    assert "could not be opened anew" in caplog.text
    grow(2)
    wait_for(lambda: not failures)
    grow(3)
    assert query("SELECT count(*) FROM host_samples") == [(4,)]
