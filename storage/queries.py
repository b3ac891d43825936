"""The answer to a query of others: read-only, bounded in time, streamed as Arrow."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from io import BytesIO
from typing import Any

import duckdb

from proxmon.errors import QueryError
from storage.arrow import pa
from storage.database import Database, first_line
from storage.gate import check_query

BATCH_ROWS = 50_000
INTERRUPT_SECONDS = 0.02
Parameters = Sequence[object] | Mapping[str, object] | None
FAILURES: tuple[type[Exception], ...] = (duckdb.Error, pa.ArrowException, OSError)


class QueryAnswer:
    """A query that runs: its rows come as the bytes of one Arrow IPC stream, chunk by chunk.

    Its methods block and may be called from any thread, ``close`` also while another thread waits for a chunk.
    """

    def __init__(self, database: Database, sql: str, parameters: Parameters, seconds: float) -> None:
        self._sql, self._parameters, self._seconds = sql, parameters, seconds
        self._lock = threading.Lock()
        self._is_late = self._is_ending = self._is_closed = False
        self._timer = threading.Timer(seconds, self._interrupt)
        self._timer.daemon = True
        self._sink = BytesIO()
        self._batches: Any = None
        self._writer: Any = None
        self._opened = ExitStack()
        self._cursor = self._opened.enter_context(database.reader())

    def next_chunk(self) -> bytes:
        """Return the next bytes of the stream; none when it has ended.

        Raises:
            QueryError: the query is refused, is wrong, fails, or takes too long.
        """
        with self._lock:
            if self._is_closed:
                return b""
            try:
                if self._writer is None:
                    self._start()
                return self._write(next(self._batches, None))
            except FAILURES as error:
                raise self._failed(error) from error

    def close(self) -> None:
        """End the query wherever it is, and let go of the moment that it sees; nothing happens when it is closed."""
        self._timer.cancel()
        self._is_ending = True
        # DuckDB forgets an interrupt that comes just before a query starts: it is repeated until the query has ended.
        while not self._lock.acquire(timeout=INTERRUPT_SECONDS):
            self._interrupt_query()
        try:
            self._end()
        finally:
            self._lock.release()

    def _start(self) -> None:
        check_query(self._cursor, self._sql)
        self._timer.start()
        self._batches = self._cursor.sql(self._sql, params=self._parameters).to_arrow_reader(BATCH_ROWS)
        self._writer = pa.ipc.new_stream(self._sink, self._batches.schema)

    def _write(self, batch: Any) -> bytes:
        if batch is not None:
            self._writer.write_batch(batch)
            return self._taken()
        if self._is_late or self._is_ending:  # an interrupted reader may end as if there were no more rows
            raise self._failed(InterruptedError("the query was ended"))
        self._writer.close()
        rest = self._taken()
        self._end()
        return rest

    def _end(self) -> None:
        self._is_closed = True
        self._timer.cancel()
        self._batches = self._writer = None
        self._opened.close()

    def _taken(self) -> bytes:
        chunk = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return chunk

    def _interrupt(self) -> None:
        self._is_late = True
        self._interrupt_query()

    def _interrupt_query(self) -> None:
        with suppress(duckdb.Error):  # it was closed in this very moment
            self._cursor.interrupt()

    def _failed(self, error: BaseException) -> QueryError:
        if self._is_late:
            return QueryError(f"Ask for less, or for a shorter time: the query took longer than {self._seconds:g} s.")
        return QueryError(f"Correct the query: {first_line(error)}.")
