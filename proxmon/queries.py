"""Analysts' queries: a few at a time, streamed, and ended when nobody listens any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from proxmon.errors import OverloadedError, QueryError

# One query may use a whole core: with two, samples and pages still have the other half of a small machine.
MOST_AT_ONCE = 2
RETRY_SECONDS = 2.0
# An answer that is read ever so slowly keeps a place, and a moment of the store whose room cannot be used again.
LONGEST_ANSWER = 20  # times the seconds that a query may work

Parameters = Sequence[object] | Mapping[str, object] | None


class Answer(Protocol):
    """A query that runs; its methods block."""

    def next_chunk(self) -> bytes:
        """Return the next bytes of the Arrow stream; none when it has ended."""
        ...

    def close(self) -> None:
        """End the query wherever it is."""


class QueryStore(Protocol):
    """What the queries ask of the store."""

    def query(self, sql: str, parameters: Parameters, seconds: float) -> Answer:
        """Prepare a query that only reads; it runs, or is refused, when its first chunk is asked for."""
        ...


class Queries:
    """Runs the queries of analysts beside everything else."""

    def __init__(self, store: QueryStore, seconds: float) -> None:
        self._store, self._seconds, self._running = store, seconds, 0

    async def stream(self, sql: str, parameters: Parameters) -> AsyncGenerator[bytes, None]:
        """Give the bytes of the Arrow stream that answers the query.

        Raises:
            QueryError: the query is refused, fails, takes too long, or is read too slowly.
            OverloadedError: as many queries run as may.
        """
        if self._running >= MOST_AT_ONCE:
            raise OverloadedError("Wait until another query has ended: as many run as may.", RETRY_SECONDS)
        self._running += 1
        try:
            answer = await asyncio.to_thread(self._store.query, sql, parameters, self._seconds)
            ends_at = time.monotonic() + LONGEST_ANSWER * self._seconds
            try:
                while chunk := await asyncio.to_thread(answer.next_chunk):
                    yield chunk
                    if time.monotonic() > ends_at:
                        raise QueryError("Read faster, or ask for less at once: the answer took too long.")
            finally:
                await asyncio.shield(asyncio.to_thread(answer.close))
        finally:
            self._running -= 1
