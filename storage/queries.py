"""The answer to a query of others: read-only, bounded in time and memory, streamed as Arrow."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from contextlib import ExitStack, suppress
from functools import partial
from io import BytesIO
from typing import Any

import duckdb

from proxmon.errors import QueryError
from storage.arrow import pa
from storage.database import Database, first_line
from storage.gate import check_query
from storage.guard import ABANDONED, HEARING_SECONDS
from storage.trees import Parameters

# Rows with payloads have kilobytes each, and a batch is in memory three times. Larger batches are no faster.
BATCH_ROWS = 4096
CHUNK_BYTES = 512 * 1024  # several small batches make one chunk, since each costs a thread its turn
LAST_SECONDS = 1.0  # for each query at the end of a server, which has promised to end within five
FAILURES: tuple[type[Exception], ...] = (duckdb.Error, pa.ArrowException, OSError, MemoryError)
# How a statement with parameters is streamed: with the other call, each version holds or copies all rows first.
IS_STREAMED_BY_EXECUTE = duckdb.__version__.startswith("1.")


class QueryAnswer:
    """A query that runs: its rows come as the bytes of one Arrow IPC stream, chunk by chunk.

    Its methods block and may be called from any thread, ``close`` also while another thread waits for a chunk.
    ``seconds`` is the time that it may work: waiting for a slow reader does not count.

    It works in threads that a process does not wait for at its end. One that does not hear that it was ended, because
    it is in a single long call, is left to itself there, and keeps a moment of the store until the call returns.
    """

    def __init__(self, database: Database, sql: str, parameters: Parameters, seconds: float) -> None:
        """Prepare a query. Raises OverloadedError when too many go on that were ended."""
        ABANDONED.check()
        self._guard, self._sql, self._parameters, self._seconds = database.guard, sql, parameters, seconds
        self._working, self._settling = threading.Lock(), threading.Lock()
        self._asked: Future[bytes] | None = None
        self._thread = 0
        self._is_closed = self._is_closing = self._is_abandoned = False
        self._stopped: str | None = None
        self._stopped_at = 0.0
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
        asked: Future[bytes] = Future()
        with self._settling:
            if self._failure is not None:
                raise self._failure
            if self._is_closed or self._is_closing:
                return b""
            self._asked = asked
            self._thread = 0
        try:
            threading.Thread(target=self._work, args=[asked], name="query", daemon=True).start()
        except RuntimeError as error:  # there is no memory left for its stack
            failure = QueryError("Ask again: there is no room for another query just now.")
            with self._settling:
                self._asked, self._failure = None, failure
            raise failure from error
        return asked.result()

    def close(self, patience_seconds: float | None = None) -> None:
        """End the query wherever it is, and let go of the moment that it sees; nothing happens when it is closed.

        With patience the store itself is being closed: then a query that does not hear of it loses its cursor.
        """
        with self._settling:
            self._is_closing = True
            asked = self._asked
        self.stop("Ask again: the query was ended.")
        if asked is not None:
            wait([asked], HEARING_SECONDS if patience_seconds is None else min(patience_seconds, LAST_SECONDS))
            self._abandon(asked)
        if self._is_abandoned:
            if patience_seconds is not None:
                with suppress(duckdb.Error):  # DuckDB 2 refuses to close what works
                    self._opened.close()
            return
        with self._working:
            self._end()

    def stop(self, reason: str) -> None:
        """Let the query end with this error; the first reason counts."""
        if self._stopped is None:
            self._stopped, self._stopped_at = reason, time.monotonic()
        self._interrupt()

    def check(self, now: float) -> None:
        """Stop the query when its time is over; interrupt it once more when it was stopped and goes on."""
        since, asked = self._working_since, self._asked
        if since is None or asked is None:
            return
        if self._stopped is None:
            if self._worked + now - since > self._seconds:
                self.stop(f"Ask for less, or for a shorter time: the query took longer than {self._seconds:g} s.")
            return
        # An interruption that comes before DuckDB has begun is forgotten by it.
        self._interrupt()
        if now - self._stopped_at > HEARING_SECONDS:
            self._abandon(asked)

    def _work(self, asked: Future[bytes]) -> None:
        """Make a chunk, and tell who asked for it."""
        self._thread = threading.get_native_id()
        with self._working:
            try:
                tell = partial(asked.set_result, self._make_chunk())
            except BaseException as error:  # whoever waits for it is told
                tell = partial(asked.set_exception, error)
        with self._settling:
            if not self._is_abandoned:
                tell()
                return
        self._end()
        ABANDONED.remove(self._thread)

    def _abandon(self, asked: Future[bytes]) -> None:
        """Leave the query to itself, unless it has answered."""
        with self._settling:
            if asked.done():
                return
            self._is_abandoned = True
            self._failure = QueryError(self._stopped or "Ask again: the query was ended.")
            ABANDONED.add(self._thread)
            asked.set_exception(self._failure)

    def _make_chunk(self) -> bytes:
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

    def _start(self) -> None:
        self._guard.watch(self)
        self._opened.callback(self._guard.forget, self)
        check_query(self._cursor, self._sql, self._parameters)
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
