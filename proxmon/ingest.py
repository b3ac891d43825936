"""Takes in an agent's message: read, store, judge, tell the pages."""

from __future__ import annotations

import asyncio
import gzip
import io
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from proxmon.board import Board
from proxmon.budget import Budget
from proxmon.costs import Latency
from proxmon.errors import NotFoundError, TokenError, TooLargeError, UnreadableError
from proxmon.samples import Appended, Sample, read_message

# Reading a message of this size takes about a millisecond; a larger one is read beside the event loop.
INLINE_BYTES = 64 * 1024


class SampleStore(Protocol):
    """What ingest asks of the store."""

    def append(self, samples: Sequence[Sample], check: Callable[[], None]) -> Future[Appended]:
        """Store samples; the future is done once they are durable.

        ``check`` is called just before, in another thread; what it raises ends the future, and nothing is stored.
        """
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an agent is told of its message."""

    stored: int
    duplicates: int


class Ingest:
    """Accepts messages of hosts that were authenticated."""

    def __init__(self, store: SampleStore, board: Board, clock: Callable[[], datetime], max_body_bytes: int) -> None:
        self._store, self._board, self._clock, self._max_bytes = store, board, clock, max_body_bytes
        self.stored_count = self.duplicate_count = 0
        self.budget = Budget()
        self.latency = Latency()
        self._arrivals = Arrivals()

    async def accept(self, host_id: int, body: bytes, encoding: str, check: Callable[[], None]) -> Receipt:
        """Store a message's samples; returns once they are durable.

        ``check`` raises TokenError when the sender's token was replaced meanwhile, as it may be until they are stored.
        Only samples that are new change the live fleet, else it would differ from the store; a message without
        samples changes nothing, so that a token can be tried.

        Raises:
            UnreadableError, TooLargeError, SampleError, TokenError: nothing of the message was stored.
            StoreUnavailableError: the store cannot take samples now.
        """
        received_at, began_at = self._clock(), time.perf_counter()
        if len(body) > INLINE_BYTES or encoding:
            samples = await asyncio.to_thread(self._read, body, encoding, host_id, received_at)
        else:
            samples = self._read(body, encoding, host_id, received_at)
        if not samples:
            return Receipt(0, 0)
        try:
            appended = await self._arrivals.wait(self._store.append(samples, check))
        except NotFoundError as error:
            raise TokenError("Send a token of a host that exists: this host was deleted.") from error
        self.latency.add(time.perf_counter() - began_at)
        new = [sample for sample, is_new in zip(samples, appended.is_new, strict=True) if is_new]
        self._board.accept(host_id, new, received_at)
        self.stored_count += appended.stored
        self.duplicate_count += appended.duplicates
        return Receipt(appended.stored, appended.duplicates)

    def _read(self, body: bytes, encoding: str, host_id: int, received_at: datetime) -> list[Sample]:
        return read_message(unpack(body, encoding, self._max_bytes), host_id, received_at)


class Arrivals:
    """Lets coroutines wait for futures of a thread: those that end together wake the event loop once."""

    def __init__(self) -> None:
        self._ended: deque[asyncio.Future[None]] = deque()
        self._is_called = False

    async def wait(self, future: Future[Appended]) -> Appended:
        """Return the future's result, or raise its error; a waiter that gives up cancels it."""
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        future.add_done_callback(partial(self._note, loop, woken))
        try:
            await woken
        except asyncio.CancelledError:
            future.cancel()
            raise
        return future.result()

    def _note(self, loop: asyncio.AbstractEventLoop, woken: asyncio.Future[None], _: Future[Appended]) -> None:
        self._ended.append(woken)
        if not self._is_called:
            self._is_called = True
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        # First, so that what ends from here on calls again.
        self._is_called = False
        while self._ended:
            woken = self._ended.popleft()
            if not woken.done():
                woken.set_result(None)


def unpack(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return the body without its content encoding, never holding more than ``max_bytes`` of it.

    Raises:
        UnreadableError: it is not packed as said.
        TooLargeError: it is larger than ``max_bytes``.
    """
    coding = encoding.strip().lower()
    if coding in ("gzip", "x-gzip"):
        body = _gunzip(body, max_bytes)
    elif coding not in ("", "identity"):
        raise UnreadableError("Send the message plain or with Content-Encoding: gzip.")
    if len(body) > max_bytes:
        raise TooLargeError(f"Send less in one message: at most {max_bytes} bytes unpacked.")
    return body


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as unpacked:
            return unpacked.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError("Send a whole gzip stream: this one cannot be unpacked.") from error
