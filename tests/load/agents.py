"""Many agents at once, as connections of one event loop: each keeps its connection, waits as told, and comes back."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from tests.builders import NOW, a_fast_payload, iso
from tests.servers import Server

ANSWER_SECONDS = 60  # of any one request; none may wait longer, however many come


@dataclass
class Tally:
    """What a crowd of agents was answered."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    without_retry_after: int = 0
    refused_connections: int = 0

    @property
    def stored(self) -> int:
        """Return how many messages were stored."""
        return self.statuses[200]


def message(samples: int, first: int, padding: int = 0) -> bytes:
    """Return a message of fast samples, one a second, each larger by the padding."""
    payload = json.dumps(a_fast_payload(**({"padding": "x" * padding} if padding else {})))
    moments = [iso(NOW + timedelta(seconds=first + n)) for n in range(samples)]
    parts = [f'{{"tier":"fast","collected_at":"{at}","payload":{payload}}}' for at in moments]
    return f'{{"interval_s":10,"samples":[{",".join(parts)}]}}'.encode()


class Agent:
    """An agent with messages to deliver."""

    def __init__(self, address: str, token: str, messages: Sequence[bytes], tally: Tally) -> None:
        self._address, self._token, self._waiting, self._tally = address, token, list(messages), tally

    async def deliver(self, *, patiently: bool = True, is_over: Callable[[], bool] = lambda: False) -> None:
        """Send the messages in turn, each one again until it was stored or all is over; patiently, when it is told."""
        while self._waiting and not is_over():
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    reader, writer = await asyncio.open_connection(*self._address.split(":"))
            except OSError:
                self._tally.refused_connections += 1
                await asyncio.sleep(random.uniform(0.1, 1.0))
                continue
            try:
                while self._waiting and not is_over():
                    await self._send(reader, writer, patiently=patiently)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(random.uniform(0.1, 1.0))
            finally:
                writer.close()

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, patiently: bool) -> None:
        body = self._waiting[0]
        head = f"POST /api/ingest HTTP/1.1\r\nHost: {self._address}\r\nAuthorization: Bearer {self._token}\r\n"
        async with asyncio.timeout(ANSWER_SECONDS):
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            await reader.readexactly(int(headers["content-length"]))
        status = int(lines[0].split()[1])
        self._tally.statuses[status] += 1
        if status in (429, 503):
            self._tally.without_retry_after += "retry-after" not in headers
            if patiently:
                await asyncio.sleep(float(headers["retry-after"]) + random.uniform(0.0, 10.0))
        else:
            del self._waiting[0]


def address_of(server: Server) -> str:
    """Return host and port of a server."""
    return urlsplit(server.url).netloc
