"""Rollups and deletions are done in between, one short step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

import storage.checkpoints
from proxmon.config import RetentionSettings
from proxmon.fleet import Host
from proxmon.payload import Tier
from storage import Store
from storage.database import Database
from storage.directory import DataDirectory
from storage.ledger import Span
from storage.upkeep import RETENTION_INTERVAL_SECONDS, ROLLUP_INTERVAL_SECONDS, Upkeep
from tests.builders import NOW, a_sample

Calls = list[str]


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the clock by which the upkeep goes."""
    clock = Clock()
    monkeypatch.setattr("storage.upkeep.time", clock)
    return clock


@pytest.fixture
def calls(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Give the steps that were done, each of which takes a second: two of rollups, one of deletion."""
    calls: Calls = []

    def steps(name: str, count: int) -> Iterator[None]:
        for _ in range(count):
            calls.append(name)
            clock.seconds += 1
            yield

    monkeypatch.setattr("storage.upkeep.roll_up", lambda connection, now, bites: steps("roll up", 2))
    monkeypatch.setattr("storage.upkeep.retire", lambda connection, settings, spans, now: steps("retire", 1))
    return calls


@pytest.fixture
def upkeep(clock: Clock) -> Upkeep:
    """Give the upkeep of a store that keeps what it keeps by default."""
    return Upkeep(RetentionSettings(), lambda: NOW)


def go(upkeep: Upkeep, clock: Clock, turns: int) -> None:
    """Let the writer come by so often, each time when the upkeep asks for it."""
    for _ in range(turns):
        clock.seconds += upkeep.wait_seconds()
        upkeep.step(duckdb.connect(), {})


def test_nothing_is_done_before_its_time(upkeep: Upkeep, clock: Clock, calls: Calls) -> None:
    clock.seconds += ROLLUP_INTERVAL_SECONDS - 1
    upkeep.step(duckdb.connect(), {})
    assert calls == []
    assert upkeep.wait_seconds() == 1


def test_a_step_tells_whether_memory_is_to_be_given_back(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.upkeep.roll_up", lambda connection, now, bites: iter([False, True]))
    upkeep, told = Upkeep(None, lambda: NOW), list[bool]()
    for _ in range(4):
        told.append(upkeep.step(duckdb.connect(), {}))
        clock.seconds += upkeep.wait_seconds()
    assert told == [False, False, True, False]


@pytest.mark.parametrize("is_hasty", [False, True])
def test_where_memory_is_to_be_given_back_the_log_is_written_into_the_file_sooner(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch, is_hasty: bool
) -> None:
    monkeypatch.setattr(storage.checkpoints, "HASTY_WAL_BYTES", 1)
    filler = store._writer._filler
    monkeypatch.setattr(filler._upkeep, "step", lambda *_: is_hasty)
    store.append([a_sample(host.id)]).result()
    store.settle()
    with filler.lock:
        filler._turn()
        assert (store._directory.wal_bytes() == 0) is is_hasty


def test_a_step_is_done_at_a_time_and_then_a_rest_taken(upkeep: Upkeep, clock: Clock, calls: Calls) -> None:
    go(upkeep, clock, 1)
    assert calls == ["roll up"]
    assert upkeep.wait_seconds() == 1


def test_deletion_follows_the_rollups_once_an_hour(upkeep: Upkeep, clock: Clock, calls: Calls) -> None:
    go(upkeep, clock, 4)
    assert calls == ["roll up", "roll up", "retire"]
    go(upkeep, clock, 3)
    assert calls[3:] == ["roll up", "roll up"]
    clock.seconds += RETENTION_INTERVAL_SECONDS
    go(upkeep, clock, 4)
    assert calls[5:] == ["roll up", "roll up", "retire"]


@pytest.mark.parametrize(
    ("stepped", "believed"),
    [
        (timedelta(0), [timedelta(0), timedelta(0)]),
        (timedelta(days=-365), [timedelta(days=-365)] * 2),  # set back
        (timedelta(days=3), [timedelta(days=1), timedelta(days=3)]),  # nothing came for three days
        (timedelta(days=365), [timedelta(days=1), timedelta(days=3)]),  # a start with a wrong clock
    ],
)
def test_deletion_follows_a_clock_that_stepped_by_a_day_an_hour(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, stepped: timedelta, believed: list[timedelta]
) -> None:
    told: list[datetime] = []

    def retire(connection: object, settings: object, spans: object, now: datetime) -> Iterator[None]:
        told.append(now)
        yield

    def roll_up(*_: object) -> Iterator[None]:
        return iter(())

    monkeypatch.setattr("storage.upkeep.roll_up", roll_up)
    monkeypatch.setattr("storage.upkeep.retire", retire)
    upkeep = Upkeep(RetentionSettings(), lambda: NOW + stepped)
    upkeep.begin({(1, Tier.FAST): Span(NOW, NOW, NOW, NOW)})
    for hours in (1, 2):
        clock.seconds += hours * RETENTION_INTERVAL_SECONDS
        go(upkeep, clock, 1)
        upkeep.forget()
    assert told == [NOW + span for span in believed]


def test_without_settings_nothing_is_deleted(clock: Clock, calls: Calls) -> None:
    go(Upkeep(None, lambda: NOW), clock, 4)
    assert "retire" not in calls


def test_what_failed_is_begun_again_at_the_next_time(
    upkeep: Upkeep, clock: Clock, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as trouble:
        trouble.setattr("storage.upkeep.roll_up", failing)
        with pytest.raises(duckdb.OutOfMemoryException):
            go(upkeep, clock, 1)
    assert upkeep.wait_seconds() == ROLLUP_INTERVAL_SECONDS
    go(upkeep, clock, 1)
    assert calls == ["roll up"]


def failing(connection: Any, now: Any, bites: Any) -> Iterator[None]:
    """Fail before the first step."""
    raise duckdb.OutOfMemoryException("no memory left")
    yield


def test_an_empty_store_has_nothing_to_do(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.acquire()
    database = Database(directory)
    database.open()
    Upkeep(RetentionSettings()).run(database.writer(), {}, NOW)
    database.close()
    directory.release()
