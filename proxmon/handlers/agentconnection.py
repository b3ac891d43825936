"""The connection of an agent that is known: its messages are read and answered here, without Tornado.

Only messages of the plainest form are taken: one length, nothing that changes how a body is framed. At the first
request of any other kind the connection goes back to Tornado, with all that was read of it.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Any, cast

import msgspec
from tornado.iostream import IOStream

from proxmon.context import Monitor
from proxmon.errors import ProxmonError, StoreUnavailableError
from proxmon.handlers.base import error_headers, error_sentence, http_status
from proxmon.handlers.bodies import Body
from proxmon.handlers.plainhead import Head, head_bytes, read_head
from proxmon.ingest import Message, Receipt

log = logging.getLogger(__name__)

_ALWAYS = (
    ("Cache-Control", "no-store"),
    ("Content-Type", "application/json; charset=utf-8"),
    ("Server", "proxmon"),
)


@dataclass(frozen=True, slots=True)
class Lane:
    """What the connections of agents share.

    ``headers`` are those of every answer, ``give_back`` takes a connection that turns out to want something else.
    """

    monitor: Monitor
    path: str
    headers: Mapping[str, str]
    idle_seconds: float
    give_back: Callable[[IOStream, Any], None]

    @property
    def request_line(self) -> bytes:
        """Return how a message begins."""
        return f"POST {self.path} HTTP/1.1".encode()

    def find_host(self, head: Head | None) -> int | None:
        """Return the id of the known host that sends a plain message of a size that is taken, or None."""
        if head is None or head.length > self.monitor.settings.max_body_bytes:
            return None
        return self.monitor.hosts.find_authenticated(head.token)


class AgentConnection(asyncio.Protocol):
    """Takes one message after the other; begins with one whose head was read already, and ``content`` after it.

    While a message is answered, and until its answer has left, nothing more is read: what a sender can make the server
    hold is one message, and what came with its end.
    """

    def __init__(self, lane: Lane, content: bytes, head: Head, host_id: int) -> None:
        self._lane, self._pending = lane, content
        self._request_line = lane.request_line
        self._body = Body(lane.monitor.ingest.budget)
        self._head: Head | None = head
        self._host_id, self._missing = host_id, head.length
        self._is_answering = self._is_full = self._is_due = self._has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport, self._loop = cast("asyncio.Transport", transport), asyncio.get_running_loop()
        self._transport.set_write_buffer_limits(high=0)
        self._waits_since = self._loop.time()
        self._timer = self._loop.call_later(self._lane.idle_seconds, self._watch)
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Take what came; what comes before the answer waits."""
        self._pending = self._pending + data if self._pending else data
        if self._is_busy:
            self._transport.pause_reading()
        else:
            self._advance()

    def eof_received(self) -> bool:
        """Tell whether something is still to be answered: the agent may listen though it has said all."""
        self._has_ended = True
        return self._is_busy

    def pause_writing(self) -> None:
        """Note that an answer waits for the agent to read."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on: the answer has left."""
        self._is_full = False
        self._advance_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of a message that will not be whole; one that is being stored is let go of after that."""
        self._timer.cancel()
        if not self._is_answering:
            self._body.let_go()

    @property
    def _is_busy(self) -> bool:
        return self._is_answering or self._is_full or self._is_due

    def _advance_soon(self) -> None:
        """Go on in the next turn of the loop, so that who sends much at once does not hold up the others."""
        self._is_due = True
        self._loop.call_soon(self._advance_now)

    def _advance_now(self) -> None:
        self._is_due = False
        self._advance()

    def _advance(self) -> None:
        if self._is_busy or self._transport.is_closing():
            return
        if self._head is None and not self._begin():
            self._wait()
            return
        part, self._pending = self._pending[: self._missing], self._pending[self._missing :]
        self._missing -= len(part)
        self._body.add(part)
        if self._missing:
            self._wait()
        else:
            self._submit()

    def _wait(self) -> None:
        """Wait for more, if more can come."""
        if self._has_ended:
            self._transport.close()
        else:
            self._transport.resume_reading()

    def _begin(self) -> bool:
        """Read the head of the next message; False when it is not complete, or no plain message of a known agent."""
        size = head_bytes(self._pending)
        if size is None:
            return False
        head = read_head(self._pending[:size], self._request_line)
        host_id = self._lane.find_host(head)
        if head is None or host_id is None:
            self._give_back()
            return False
        self._head, self._host_id, self._missing = head, host_id, head.length
        self._pending = self._pending[size:]
        self._waits_since = self._loop.time()
        return True

    def _submit(self) -> None:
        assert self._head is not None
        self._is_answering = True
        try:
            body = self._body.read()
        except ProxmonError as error:
            self._answer(error)
        else:
            message = Message(self._host_id, body, self._head.encoding, self._check_token, self._answer)
            self._lane.monitor.ingest.submit(message)

    def _check_token(self) -> None:
        assert self._head is not None
        self._lane.monitor.hosts.check(self._host_id, self._head.token)

    def _answer(self, outcome: Receipt | Exception) -> None:
        self._body.let_go()
        self._body = Body(self._lane.monitor.ingest.budget)
        self._head, self._is_answering, self._waits_since = None, False, self._loop.time()
        if self._transport.is_closing():
            return
        self._transport.write(self._text_of(outcome))
        if self._pending and not self._is_full:
            self._advance_soon()
        else:
            self._advance()

    def _text_of(self, outcome: Receipt | Exception) -> bytes:
        if isinstance(outcome, Receipt):
            body = b'{"stored":%d,"duplicates":%d}' % (outcome.stored, outcome.duplicates)
            return _text(200, self._lane.headers, body)
        status = http_status(outcome)
        if isinstance(outcome, StoreUnavailableError):
            log.warning("a message was refused: %s", outcome)
        elif not isinstance(outcome, ProxmonError):
            log.error("a message could not be taken in", exc_info=outcome)
        body = msgspec.json.encode({"error": error_sentence(outcome, status)})
        return _text(status, {**self._lane.headers, **error_headers(outcome, status)}, body)

    def _give_back(self) -> None:
        """Let Tornado go on with the connection."""
        info, address = (self._transport.get_extra_info(name) for name in ("socket", "peername"))
        try:
            other = socket.fromfd(info.fileno(), info.family, socket.SOCK_STREAM)
        except OSError as error:
            log.warning("a connection had to be closed: %s", error)
            self._transport.abort()
            return
        other.setblocking(False)
        pending, self._pending = self._pending, b""
        self._transport.close()
        self._lane.give_back(Resumed(other, pending), address)

    def _watch(self) -> None:
        """End a connection on which nothing has been asked, or come to an end, for too long."""
        left = self._waits_since + self._lane.idle_seconds - self._loop.time()
        if left > 0 or self._is_answering:
            self._timer = self._loop.call_later(left if left > 0 else self._lane.idle_seconds, self._watch)
        else:
            self._transport.abort()


class Resumed(IOStream):
    """A connection of which some was read already."""

    def __init__(self, connection: socket.socket, read: bytes) -> None:
        super().__init__(connection)
        # Tornado waits for its socket once its buffer is too short: nothing may be kept anywhere else.
        self._read_buffer += read
        self._read_buffer_size += len(read)


def _text(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in (*headers.items(), *_ALWAYS)]
    lines += [f"Date: {_date(int(time.time()))}", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
