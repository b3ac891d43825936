"""The answer to a query of others: read-only, bounded in time and memory, streamed as Arrow."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from io import BytesIO
from typing import Any

import duckdb

from proxmon.errors import QueryError
from storage.arrow import pa
from storage.database import Database, first_line
from storage.gate import check_query

# Rows with payloads have kilobytes each, and a batch is in memory three times. Larger batches are no faster.
BATCH_ROWS = 4096
CHUNK_BYTES = 512 * 1024  # several small batches make one chunk, since each costs a thread its turn
Parameters = Sequence[object] | Mapping[str, object] | None
FAILURES: tuple[type[Exception], ...] = (duckdb.Error, pa.ArrowException, OSError, MemoryError)
# How a statement with parameters is streamed: with the other call, each version holds or copies all rows first.
IS_STREAMED_BY_EXECUTE = duckdb.__version__.startswith("1.")


class QueryAnswer:
    """A query that runs: its rows come as the bytes of one Arrow IPC stream, chunk by chunk.

    Its methods block and may be called from any thread, ``close`` also while another thread waits for a chunk.
    ``seconds`` is the time that it may work: waiting for a slow reader does not count.
    """

    def __init__(self, database: Database, sql: str, parameters: Parameters, seconds: float) -> None:
        self._guard, self._sql, self._parameters, self._seconds = database.guard, sql, parameters, seconds
        self._lock = threading.Lock()
        self._is_closed = self._is_closing = False
        self._stopped: str | None = None
        self._failure: QueryError | None = None
        self._is_begun = False
        self._worked = 0.0
        self._working_since: float | None = None
        self._sink = BytesIO()
        self._batches: Any = None
        self._writer: Any = None
        self._opened = ExitStack()
        self._cursor = self._opened.enter_context(database.reader())

    def next_chunk(self) -> bytes:
        """Return the next bytes of the stream; none when it has ended.

        A query that fails after its first chunk gives one more: a batch without rows, whose metadata has the ``error``.

        Raises:
            QueryError: the query is refused, is wrong, fails, takes too long or too much memory.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._is_closed:
                return b""
            began = self._working_since = time.monotonic()
            try:
                if self._writer is None:
                    self._start()
                return self._gather()
            except FAILURES as error:
                return self._fail(error)
            finally:
                self._worked, self._working_since = self._worked + time.monotonic() - began, None
                if self._is_closing:  # whoever closed it may have lost patience
                    self._end()

    def close(self, patience_seconds: float = -1) -> None:
        """End the query wherever it is, and let go of the moment that it sees; nothing happens when it is closed.

        With patience, a query in a single long call that does not hear of it is left to itself after that time.
        """
        self._is_closing = True
        self.stop("Ask again: the query was ended.")
        if self._lock.acquire(timeout=patience_seconds):
            try:
                self._end()
            finally:
                self._lock.release()

    def stop(self, reason: str) -> None:
        """Let the query end with this error; the first reason counts."""
        self._stopped = self._stopped or reason
        self._interrupt()

    def check(self, now: float) -> None:
        """Stop the query when its time is over; interrupt it once more when it was stopped and goes on."""
        since = self._working_since
        if since is None:
            return
        if self._stopped is not None:
            # An interruption that comes before DuckDB has begun is forgotten by it.
            self._interrupt()
        elif self._worked + now - since > self._seconds:
            self.stop(f"Ask for less, or for a shorter time: the query took longer than {self._seconds:g} s.")

    def _start(self) -> None:
        self._guard.watch(self)
        self._opened.callback(self._guard.forget, self)
        check_query(self._cursor, self._sql)
        self._batches = self._run().to_arrow_reader(BATCH_ROWS)
        self._writer = pa.ipc.new_stream(self._sink, self._batches.schema)

    def _run(self) -> Any:
        if not self._parameters:
            return self._cursor.sql(self._sql)
        if IS_STREAMED_BY_EXECUTE:
            return self._cursor.execute(self._sql, self._parameters)
        (statement,) = self._cursor.extract_statements(self._sql)
        return self._cursor.sql(statement, params=self._parameters)

    def _gather(self) -> bytes:
        while self._sink.tell() < CHUNK_BYTES:
            batch = next(self._batches, None)
            if self._stopped is not None:  # an interrupted reader may end as if there were no more rows
                return self._fail(None)
            if batch is None:
                self._writer.close()
                rest = self._taken()
                self._end()
                return rest
            self._writer.write_batch(batch)
        return self._taken()

    def _end(self) -> None:
        self._is_closed = True
        self._batches = self._writer = None
        self._opened.close()

    def _taken(self) -> bytes:
        self._is_begun = True
        chunk = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return chunk

    def _interrupt(self) -> None:
        with suppress(duckdb.Error):  # it was closed in this very moment
            self._cursor.interrupt()

    def _fail(self, cause: Exception | None) -> bytes:
        error = self._failure = QueryError(self._stopped or _sentence(cause))
        if not self._is_begun:
            raise error from cause
        # What was read since the last chunk goes along: it is whole batches.
        schema = self._batches.schema
        empty = pa.RecordBatch.from_arrays([pa.array([], kind) for kind in schema.types], schema=schema)
        self._writer.write_batch(empty, custom_metadata={"error": str(error)})
        return self._taken()


def _sentence(cause: BaseException | None) -> str:
    if isinstance(cause, MemoryError):
        return "Ask for less at once: the answer needs more memory than there is."
    return f"Correct the query: {first_line(cause) if cause else 'it was ended'}."
