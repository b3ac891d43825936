"""What the writer does in between: rollups soon after samples came, once an hour deleting what is too old."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from duckdb import DuckDBPyConnection

from proxmon.config import RetentionSettings
from storage.retention import Spans, retire
from storage.rollups import LONG_BITES, SHORT_BITES, Bites, roll_up

ROLLUP_INTERVAL_SECONDS = 20.0  # a minute is rolled up within this time of its end
RETENTION_INTERVAL_SECONDS = 3600.0
# A clock that steps forward, as at a start without its battery, must not delete what is kept: deleting follows it by
# a day an hour at most, which after a month without samples takes a day.
CATCH_UP = 24


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class SlowClock:
    """The present as far as deleting believes in it."""

    def __init__(self, moment: datetime | None = None) -> None:
        self._moment, self._read_at = moment, time.monotonic()

    def read(self, now: datetime) -> datetime:
        """Return the present of the system's clock, or a moment on the way to it."""
        read_at = time.monotonic()
        believed = (self._moment or now) + timedelta(seconds=CATCH_UP * (read_at - self._read_at))
        self._moment, self._read_at = min(now, believed), read_at
        return self._moment


class Upkeep:
    """Gives the writer one short step at a time, and rests after each as long as it took."""

    def __init__(self, settings: RetentionSettings | None, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings, self._clock = settings, clock
        self._slow_clock = SlowClock()
        self._steps: Iterator[bool | None] | None = None
        self._next_at = time.monotonic() + ROLLUP_INTERVAL_SECONDS
        self._retire_at = self._next_at

    @property
    def settings(self) -> RetentionSettings | None:
        """Return what is kept for how long; None keeps everything."""
        return self._settings

    @property
    def seconds_to_retention(self) -> float | None:
        """Return in how many seconds the next deletion begins; None where nothing is ever deleted."""
        return max(0.0, self._retire_at - time.monotonic()) if self._settings else None

    @property
    def compact_above_percent(self) -> float:
        """Return of which free share on the file is made anew; 0 is never."""
        return self._settings.compact_percent if self._settings else 0.0

    def wait_seconds(self) -> float:
        """Return how long there is nothing to do."""
        return max(0.0, self._next_at - time.monotonic())

    def begin(self, spans: Spans) -> None:
        """Take note of when the newest sample came, before others come: the clock may have stepped since."""
        self._slow_clock = SlowClock(max((span.last_received_at for span in spans.values()), default=None))

    def step(self, connection: DuckDBPyConnection, spans: Spans) -> bool:
        """Do what is due next; nothing happens before its time. Tells whether memory should be given back soon."""
        began_at = time.monotonic()
        if began_at < self._next_at:
            return False
        # Should it fail, all is begun again at the next time.
        self._next_at = began_at + ROLLUP_INTERVAL_SECONDS
        steps, self._steps = self._steps or self._begin(connection, spans), None
        done = next(steps, StopIteration)
        if done is StopIteration:
            return False
        self._steps, ended_at = steps, time.monotonic()
        self._next_at = ended_at + (ended_at - began_at)
        return bool(done)

    def forget(self) -> None:
        """Let go of work on a connection that is closed."""
        self._steps = None

    def run(self, connection: DuckDBPyConnection, spans: Spans, at: datetime) -> None:
        """Do everything that is due at a moment, at once."""
        for _ in self._everything(connection, spans, at, at, LONG_BITES):
            pass

    def _begin(self, connection: DuckDBPyConnection, spans: Spans) -> Iterator[bool | None]:
        now = self._clock()
        if time.monotonic() < self._retire_at:
            return roll_up(connection, now, SHORT_BITES)
        self._retire_at = time.monotonic() + RETENTION_INTERVAL_SECONDS
        return self._everything(connection, dict(spans), now, self._slow_clock.read(now), SHORT_BITES)

    def _everything(
        self, connection: DuckDBPyConnection, spans: Spans, now: datetime, kept_at: datetime, bites: Bites
    ) -> Iterator[bool | None]:
        yield from roll_up(connection, now, bites)
        if self._settings:
            yield from retire(connection, self._settings, spans, kept_at)
