"""What attackers need to speak HTTP byte by byte to servers in this process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from tornado.httputil import HTTPServerConnectionDelegate

import dashboards.server
from dashboards.server import make_server
from proxmon.config import Settings
from proxmon.context import Monitor
from proxmon.handlers.agentconnection import Lane
from proxmon.ingest import Message, Receipt
from proxmon.runtime import make_monitor
from storage import Store
from tests.builders import a_message

KEY = "key" * 12
NOTHING = a_message(samples=[])
FAREWELL = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def a_request(token: str, body: bytes, more: str = "") -> bytes:
    """Return a message of the plainest form, with further lines in its head."""
    fields = f"Host: x\r\nAuthorization: Bearer {token}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return f"POST /api/ingest HTTP/1.1\r\n{fields}".encode("latin-1") + body


class LocalServer:
    """A server in this process, to be made and used in one event loop; without a lane all stays with Tornado."""

    def __init__(self, directory: Path, with_lane: bool = True, max_body_bytes: int = 2**20) -> None:
        self.directory = directory
        self.store = Store.open(directory)
        settings = Settings(data=str(directory), port=0, max_body_bytes=max_body_bytes)
        self.monitor: Monitor = make_monitor(self.store, settings)
        with nullcontext() if with_lane else patch.object(dashboards.server, "IngestLane", _no_lane):
            self.server = make_server(self.monitor, KEY)
        self.server.start()
        self.outstanding = 0
        self._submit = self.monitor.ingest.submit
        self.monitor.ingest.submit = self._count

    def _count(self, message: Message) -> None:
        """Take in a message, which is outstanding until it is known what became of it."""

        def then(outcome: Receipt | Exception) -> None:
            self.outstanding -= 1
            message.then(outcome)

        self.outstanding += 1
        self._submit(replace(message, then=then))

    @property
    def port(self) -> int:
        """Return where it listens."""
        assert self.server.port
        return self.server.port

    def narrow(self, room_bytes: int) -> None:
        """Let the system keep only so much of answers that were not read yet, on connections from now on."""
        for listening in self.server._http._sockets.values():
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room_bytes)

    async def stop(self) -> None:
        """End it, and let what was open be closed."""
        self.server.stop()
        await self.server._http.close_all_connections()
        await asyncio.sleep(0)
        self.store.close()


def _no_lane(application: HTTPServerConnectionDelegate, lane: Lane) -> HTTPServerConnectionDelegate:
    return application


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer on a connection."""

    status: int
    body: bytes


class Client:
    """A connection that is written to and read from without waiting; ``content`` is all that came."""

    def __init__(self, port: int, room_bytes: int = 0) -> None:
        """Connect; ``room_bytes`` is what the system keeps of answers that were not read yet."""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each piece is sent as it is
        if room_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room_bytes)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.content, self.has_ended = b"", False

    async def send(self, data: bytes) -> None:
        """Send, and read meanwhile."""
        while data and not self.has_ended:
            try:
                data = data[self.socket.send(data) :]
            except BlockingIOError:
                await asyncio.sleep(0)
            except ConnectionError:
                data = b""
            self.receive()

    async def send_deaf(self, data: bytes, patience: int = 200) -> bytes:
        """Send without reading for as long as the server takes it; returns what it did not take."""
        idle = 0
        while data and idle < patience:
            try:
                data, idle = data[self.socket.send(data) :], 0
            except BlockingIOError:
                idle += 1
            await asyncio.sleep(0)
        return data

    def receive(self) -> None:
        """Read what is there."""
        with suppress(BlockingIOError):
            try:
                while part := self.socket.recv(65_536):
                    self.content += part
            except ConnectionError:
                pass
            self.has_ended = True

    async def answers(self, count: int) -> list[Answer]:
        """Wait for so many answers, or for the end."""
        while len(found := list(read_answers(self.content))) < count and not self.has_ended:
            await asyncio.sleep(0.001)
            self.receive()
        return found

    async def take_over(self, token: str) -> None:
        """Let the server know the agent and take over the connection."""
        for number in (1, 2):
            await self.send(a_request(token, NOTHING))
            found = await self.answers(number)
            assert found[-1].status == 200, found
        self.content = b""

    def close(self) -> None:
        """Leave."""
        self.socket.close()


def read_answers(content: bytes) -> Iterator[Answer]:
    """Give the answers that are whole; one without a length has no body."""
    begin = 0
    while (end := content.find(b"\r\n\r\n", begin)) >= 0:
        first, *lines = content[begin:end].decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        begin = end + 4 + int(fields.get("content-length", "0"))
        if begin > len(content):
            return
        yield Answer(int(first.split()[1]), content[end + 4 : begin])


async def settle(clients: Sequence[Client], turns: int) -> None:
    """Let the server work for some turns of the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
    for client in clients:
        client.receive()
