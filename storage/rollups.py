"""Rollups by the minute and the hour: made again from the rows whenever a sample of that time was stored.

A minute is rolled up when it is over, an hour when it is over too; what arrives late is done again. Nothing is kept in
memory for that: ``rollup_progress`` tells up to which sample the rollups go, so a crash makes some work be repeated.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from duckdb import DuckDBPyConnection

from storage.moments import to_store
from storage.rollup_sql import HOURS, MINUTES, Rollup

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WINDOW_SAMPLES = 20_000  # of a backlog that is looked at together
_DUE = """
SELECT host_id, time_bucket(INTERVAL 1 MINUTE, observed_at), min(sample_id) FROM base.fast_samples
WHERE sample_id > $after AND sample_id <= $through GROUP BY ALL
"""
_PROGRESS = """
SELECT rollups.sample_id, least(typed.sample_id, rollups.sample_id + ?), typed.sample_id
FROM base.rollup_progress AS rollups, base.typed_progress AS typed
"""
_NEW_HOURS = """
SELECT DISTINCT time_bucket(INTERVAL 1 HOUR, started_at), host_id FROM base.host_1m
WHERE started_at >= (SELECT hours_through FROM base.rollup_progress) AND started_at < ?
"""

Part = tuple[datetime, int]  # when it starts, as the store keeps it, and the host


@dataclass(frozen=True, slots=True)
class Bites:
    """How much is rolled up in one transaction: minutes and hours of a host, and the time they lie in."""

    minutes: int
    hours: int
    span: timedelta

    def cut(self, parts: Sequence[Part], length: timedelta) -> Iterator[list[Part]]:
        """Cut sorted parts so that none spans much time, since all rows of that span are looked at."""
        most = self.minutes if length == MINUTE else self.hours
        bite: list[Part] = []
        for part in parts:
            if bite and (len(bite) >= most or part[0] - bite[0][0] >= self.span):
                yield bite
                bite = []
            bite.append(part)
        if bite:
            yield bite


# Ingest may have to wait for one of them: some 80 ms with 20 guests a host.
SHORT_BITES = Bites(minutes=200, hours=30, span=HOUR)
# For a backlog while nobody sends: a transaction costs more than what is in it.
LONG_BITES = Bites(minutes=5_000, hours=1_000, span=timedelta(days=2))


@dataclass(frozen=True, slots=True)
class Due:
    """The minutes that samples were stored for since the last time, and the sample up to which that will be done."""

    minutes: list[Part]
    through_id: int
    is_all: bool


def roll_up(connection: DuckDBPyConnection, now: datetime, bites: Bites = SHORT_BITES) -> Iterator[bool]:
    """Bring the rollups up to a moment; each step is a short transaction of its own.

    After it True means that hours come next or were made, of whose columns each takes memory until a checkpoint.
    """
    at = to_store(now)
    hours_through = _start_hours(connection, at)
    is_all = False
    while not is_all:
        due = _find_due(connection, at)
        is_all = due.is_all
        yield from _make(connection, MINUTES, bites.cut(sorted(due.minutes), MINUTE), MINUTE)
        late = {(_hour(start), host_id) for start, host_id in due.minutes if start < hours_through}
        if late:
            yield True
        yield from _make(connection, HOURS, bites.cut(sorted(late), HOUR), HOUR)
        connection.execute("UPDATE base.rollup_progress SET sample_id = $1 WHERE sample_id <> $1", [due.through_id])
    new = connection.execute(_NEW_HOURS, [_hour(at)]).fetchall()
    if new:
        yield True
    yield from _make(connection, HOURS, bites.cut(sorted(new), HOUR), HOUR)
    if new:
        connection.execute("UPDATE base.rollup_progress SET hours_through = ?", [_hour(at)])


@contextmanager
def transaction(connection: DuckDBPyConnection) -> Generator[None]:
    """Commit what is done inside; after an error the caller rolls back."""
    connection.execute("BEGIN")
    yield
    connection.execute("COMMIT")


def read_kept_since(connection: DuckDBPyConnection) -> dict[str, datetime]:
    """Return from when on a table has everything, as the store keeps times; one that is missing always had."""
    return dict(connection.execute("SELECT table_name, kept_since FROM base.kept_since").fetchall())


def _start_hours(connection: DuckDBPyConnection, at: datetime) -> datetime:
    """Return before when hours are rolled up with their minutes; later ones are when they are over."""
    row = connection.execute("SELECT hours_through FROM base.rollup_progress").fetchone()
    if row and row[0]:
        return row[0]
    connection.execute("UPDATE base.rollup_progress SET hours_through = ?", [_hour(at)])
    return _hour(at)


def _find_due(connection: DuckDBPyConnection, at: datetime) -> Due:
    row = connection.execute(_PROGRESS, [WINDOW_SAMPLES]).fetchone()
    assert row is not None
    after, through, newest = row
    found = connection.execute(_DUE, {"after": after, "through": through}).fetchall()
    if through < newest:  # a backlog: a minute that is not over yet will be done again
        return Due([(start, host_id) for host_id, start, _ in found], through, is_all=False)
    unfinished = [first_id for _, start, first_id in found if start + MINUTE > at]
    minutes = [(start, host_id) for host_id, start, _ in found if start + MINUTE <= at]
    return Due(minutes, min(unfinished, default=through + 1) - 1, is_all=True)


def _make(
    connection: DuckDBPyConnection, rollups: Sequence[Rollup], bites: Iterable[Sequence[Part]], length: timedelta
) -> Iterator[bool]:
    kept = read_kept_since(connection)
    for bite in bites:
        with transaction(connection):
            for rollup in rollups:
                _make_bite(connection, rollup, bite, length, kept)
        yield length == HOUR


def _make_bite(
    connection: DuckDBPyConnection,
    rollup: Rollup,
    bite: Sequence[Part],
    length: timedelta,
    kept: Mapping[str, datetime],
) -> None:
    kept_since = kept.get(rollup.source, datetime.min)
    if bite[0][0] < kept_since:
        # The rows of what was made before are gone: it stays, and only what is missing is made.
        made = set(connection.execute(rollup.find, _parameters(bite, length)).fetchall())
        bite = [(start, host_id) for start, host_id in bite if start >= kept_since or (host_id, start) not in made]
    if bite:
        parameters = _parameters(bite, length)
        connection.execute(rollup.delete, parameters)
        connection.execute(rollup.insert, parameters)


def _parameters(bite: Sequence[Part], length: timedelta) -> dict[str, object]:
    starts, hosts = [start for start, _ in bite], [host_id for _, host_id in bite]
    return {"hosts": hosts, "starts": starts, "since": starts[0], "until": starts[-1] + length}


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
