"""Takes in an agent's message: read, store, judge, tell the pages."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
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

log = logging.getLogger(__name__)

# Reading a message of this size takes about a millisecond; a larger one is read beside the event loop.
INLINE_BYTES = 64 * 1024
# A message is one; who packs in parts makes a few. Each costs a microsecond or more however little it holds.
MOST_GZIP_MEMBERS = 16
GZIP_START = b"\x1f\x8b\x08"  # RFC 1952: the magic number, and deflate, the only method
NO_GZIP = "Send a whole gzip stream: this one cannot be unpacked."


class SampleStore(Protocol):
    """What ingest asks of the store."""

    def submit(
        self, samples: Sequence[Sample], check: Callable[[], None], ended: Callable[[Appended | Exception], None]
    ) -> None:
        """Store samples; ``ended`` is told once they are durable, or why nothing was stored.

        ``check`` is called just before; what it raises is told. Both are called in another thread.
        """
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an agent is told of its message."""

    stored: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a host that was authenticated.

    ``check`` is as in ``Ingest.accept``; ``then`` is called in the event loop's thread with what became of it, which is
    an error of those that ``accept`` raises or any other.
    """

    host_id: int
    body: bytes
    encoding: str
    check: Callable[[], None]
    then: Callable[[Receipt | Exception], None]

    @property
    def is_read_at_once(self) -> bool:
        """Tell whether the event loop can read it itself."""
        return len(self.body) <= INLINE_BYTES and not self.encoding


Outcome = Appended | Exception
Told = Callable[[Outcome], None]


class Ingest:
    """Accepts messages of hosts that were authenticated."""

    def __init__(self, store: SampleStore, board: Board, clock: Callable[[], datetime], max_body_bytes: int) -> None:
        self._store, self._board, self._clock, self._max_bytes = store, board, clock, max_body_bytes
        self.stored_count = self.duplicate_count = 0
        self.budget = Budget()
        self.latency = Latency()
        self._arrivals = Arrivals()
        self._outgoing: list[tuple[Message, Sequence[Sample], float]] = []
        self._tasks: set[asyncio.Task[None]] = set()  # the loop holds tasks weakly

    async def accept(self, host_id: int, body: bytes, encoding: str, check: Callable[[], None]) -> Receipt:
        """Store a message's samples; returns once they are durable.

        ``check`` raises TokenError when the sender's token was replaced meanwhile, as it may be until they are stored.
        Only samples that are new change the live fleet, else it would differ from the store; a message without
        samples changes nothing, so that a token can be tried.

        Raises:
            UnreadableError, TooLargeError, SampleError, TokenError: nothing of the message was stored.
            StoreUnavailableError: the store cannot take samples now.
        """
        told: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.submit(Message(host_id, body, encoding, check, partial(_settle, told)))
        return await told

    def submit(self, message: Message) -> None:
        """Store a message's samples as ``accept`` does, without a coroutine: that costs as much as reading it."""
        received_at, began_at = self._clock(), time.perf_counter()
        if message.is_read_at_once:
            try:
                samples = self._read(message, received_at)
            except Exception as error:
                message.then(error)
            else:
                self._store_samples(message, samples, began_at)
        else:
            task = asyncio.create_task(self._submit_large(message, received_at, began_at))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _submit_large(self, message: Message, received_at: datetime, began_at: float) -> None:
        try:
            samples = await asyncio.to_thread(self._read, message, received_at)
        except Exception as error:
            message.then(error)
        else:
            self._store_samples(message, samples, began_at)

    def _read(self, message: Message, received_at: datetime) -> list[Sample]:
        return read_message(unpack(message.body, message.encoding, self._max_bytes), message.host_id, received_at)

    def _store_samples(self, message: Message, samples: Sequence[Sample], began_at: float) -> None:
        if not samples:
            message.then(Receipt(0, 0))
            return
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._send)
        self._outgoing.append((message, samples, began_at))

    def _send(self) -> None:
        """Hand over what was read in one turn of the loop: a writer that is woken for each holds up the loop."""
        outgoing, self._outgoing = self._outgoing, []
        for message, samples, began_at in outgoing:
            try:
                ended = self._arrivals.expect(partial(self._stored, message, samples, began_at))
                self._store.submit(samples, message.check, ended)
            except Exception as error:
                message.then(error)

    def _stored(self, message: Message, samples: Sequence[Sample], began_at: float, outcome: Outcome) -> None:
        if isinstance(outcome, NotFoundError):
            told = TokenError("Send a token of a host that exists: this host was deleted.")
            told.__cause__ = outcome
            message.then(told)
        elif isinstance(outcome, Exception):
            message.then(outcome)
        else:
            self.latency.add(time.perf_counter() - began_at)
            new = [sample for sample, is_new in zip(samples, outcome.is_new, strict=True) if is_new]
            self.stored_count += outcome.stored
            self.duplicate_count += outcome.duplicates
            try:
                self._board.accept(message.host_id, new, samples[0].received_at)
            except Exception as error:
                message.then(error)
            else:
                message.then(Receipt(outcome.stored, outcome.duplicates))


def _settle(told: asyncio.Future[Receipt], outcome: Receipt | Exception) -> None:
    if told.done():  # nobody waits any more
        return
    if isinstance(outcome, Receipt):
        told.set_result(outcome)
    else:
        told.set_exception(outcome)


class Arrivals:
    """Brings what another thread tells into the event loop: what is told at about the same time wakes it once."""

    def __init__(self) -> None:
        self._told: deque[tuple[Told, Outcome]] = deque()
        self._is_called = False

    def expect(self, told: Told) -> Told:
        """Return what another thread may call, for ``told`` to be called in the event loop's."""
        return partial(self._note, asyncio.get_running_loop(), told)

    def _note(self, loop: asyncio.AbstractEventLoop, told: Told, outcome: Outcome) -> None:
        self._told.append((told, outcome))
        if not self._is_called:
            self._is_called = True
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        # First, so that what is told from here on calls again.
        self._is_called = False
        while self._told:
            told, outcome = self._told.popleft()
            try:
                told(outcome)
            except Exception:  # one answer that fails must not keep the others waiting
                log.exception("a message could not be answered")


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
    """Return what is packed, or a byte more than may be."""
    parts, room = list[bytes](), max_bytes + 1
    for _ in range(MOST_GZIP_MEMBERS):
        part, body = _unpack_member(body, room)
        parts.append(part)
        room -= len(part)
        if not body or not room:
            return b"".join(parts)
    raise UnreadableError(f"Send one gzip stream: this one has more than {MOST_GZIP_MEMBERS} members.")


def _unpack_member(body: bytes, room: int) -> tuple[bytes, bytes]:
    """Return what the first member of a stream holds, up to so many bytes, and what follows it."""
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # with gzip's head and end
    try:
        part = member.decompress(body, room)
    except zlib.error as error:
        raise UnreadableError(NO_GZIP) from error
    # Of a byte or two zlib does not say that they begin no gzip, but waits for more.
    if not GZIP_START.startswith(body[: len(GZIP_START)]):
        raise UnreadableError(NO_GZIP)
    if not member.eof and len(part) < room:
        raise UnreadableError("Send a whole gzip stream: the end of this one is missing.")
    return part, member.unused_data.lstrip(b"\0")  # which may fill up the end
