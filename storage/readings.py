"""All that is read of a store: the fleet at a moment, samples, events and series of the past, and SQL of others."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from weakref import WeakSet

from proxmon.errors import StoreUnavailableError
from proxmon.events import Event, EventRequest, StepRequest
from proxmon.fleet import FleetSnapshot
from proxmon.forecast import DailyValues, Quota
from proxmon.history import History, HistoryRequest
from proxmon.payload import Tier
from proxmon.samples import Sample
from proxmon.series import SeriesRequest
from proxmon.seriesrows import SeriesRows, Times, Values
from proxmon.sparklines import SparklineRequest, SparklineSteps
from storage.daily import read_daily
from storage.database import Database
from storage.events import find_step, list_events, list_recorded_since
from storage.history import read_history
from storage.parquet import write_parquet
from storage.queries import Parameters, QueryAnswer
from storage.reader import FOREVER, Moment, read_received_since
from storage.series import read_series
from storage.snapshots import read_snapshot
from storage.sparklines import read_sparklines
from storage.writer import Writer

PATIENCE_SECONDS = 5.0  # a query whose single call takes longer must not keep a server from ending


class Readings:
    """Answers what a store is asked, each time as of one moment."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database, self._writer = database, writer
        self._answers: WeakSet[QueryAnswer] = WeakSet()
        self._is_ending = False

    def settle(self) -> None:
        """Wait until the tables have every sample that was acknowledged before."""
        self._writer.settle()

    def list_events(self, request: EventRequest) -> list[Event]:
        """List events, the newest first unless the oldest are asked for."""
        with suppress(StoreUnavailableError):  # what is there can be read while nothing can be written
            self.settle()
        with self._database.reader() as cursor:
            return list_events(cursor, request)

    def find_step(self, request: StepRequest) -> datetime | None:
        """Return the next moment in a direction at which an event was recorded, or None."""
        with suppress(StoreUnavailableError):
            self.settle()
        with self._database.reader() as cursor:
            return find_step(cursor, request)

    def list_recorded_since(self, at: datetime) -> list[Event]:
        """List the derived events that were recorded after a moment, in that order."""
        with self._database.reader() as cursor:
            return list_recorded_since(cursor, at)

    def list_received_since(self, at: datetime) -> list[Sample]:
        """List the samples that were received after a moment, in the order in which they were stored."""
        with self._database.reader() as cursor:
            return read_received_since(cursor, at)

    @contextmanager
    def history(self, request: HistoryRequest) -> Generator[History]:
        """Open the samples of a span of the past; they are read while they are taken."""
        self._settle_what_can_be()
        with self._database.reader() as cursor:
            yield read_history(cursor, request)

    def list_daily(self, until: datetime, days: int, quotas: Sequence[Quota]) -> list[DailyValues]:
        """List one value a day of what can get full, up to a moment."""
        with self._database.reader() as cursor:
            return read_daily(cursor, until, days, quotas)

    def snapshot(self, at: datetime | None = None, *, as_collected: bool = False) -> FleetSnapshot:
        """Return the fleet as it was known at a moment; the newest state when it is None.

        Known is what had been received by then. ``as_collected`` asks for what was so instead, as far as it is known
        today: samples that came later count when they were observed then, and nothing recorded goes along.
        """
        moment = Moment(at, FOREVER if as_collected else at) if at else None
        # In this order: a sample that a span tells of is in the tables when they are read.
        spans = dict(self._writer.ledger.spans)
        self._settle_what_can_be()
        with self._database.reader() as cursor:
            return read_snapshot(cursor, spans, moment)

    def series(self, request: SeriesRequest) -> SeriesRows:
        """Return a series of a host's past."""
        span = self._writer.ledger.spans.get((request.host_id, Tier.FAST))
        self._settle_what_can_be()
        with self._database.reader() as cursor:
            return read_series(cursor, request, span)

    def sparklines(self, request: SparklineRequest) -> list[SparklineSteps]:
        """List load and memory of all hosts in half hours, from the rollups."""
        with self._database.reader() as cursor:
            return read_sparklines(cursor, request)

    def query(self, sql: str, parameters: Parameters = None, seconds: float = 30.0) -> QueryAnswer:
        """Prepare a query of others on what was acknowledged until now; it runs when its first chunk is asked for.

        The caller closes it. It is refused when it does more than read, and ended after ``seconds``.

        Raises:
            StoreUnavailableError: the store is being closed.
        """
        self._settle_what_can_be()
        answer = QueryAnswer(self._database, sql, parameters, seconds)
        self._answers.add(answer)
        if self._is_ending:  # whoever ends the others may not have seen this one
            answer.close()
            raise StoreUnavailableError("Ask again later: the store is being closed.")
        return answer

    def parquet(self, at: Times, values: Mapping[str, Values]) -> bytes:
        """Return moments and columns over them as the bytes of a Parquet file."""
        return write_parquet(at, values)

    def _end_queries(self) -> None:
        self._is_ending = True
        for answer in list(self._answers):
            answer.close(PATIENCE_SECONDS)

    def _settle_what_can_be(self) -> None:
        # What is there can be read while nothing can be written.
        with suppress(StoreUnavailableError):
            if self._writer.has_pending:
                self.settle()
