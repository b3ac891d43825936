"""Clients that are slow, silent or gone: each is let go of in the end, and meanwhile the others are answered."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import panel as pn
import pytest
from tornado.web import create_signed_value

import dashboards.server
from dashboards.server import make_server
from proxmon.config import Settings
from proxmon.context import Monitor
from proxmon.runtime import make_monitor
from storage import Store

WAIT_SECONDS = 60  # far more than it takes: who is never let go of fails here
SHORT_SECONDS = 0.3
SILENT_CLIENTS = 200
KEY = "key" * 12

Use = Callable[[int, Monitor], Awaitable[None]]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Use], None]:
    """Give what runs a use against a server in this process that loses its patience soon."""
    for name in ("IDLE_SECONDS", "BODY_SECONDS", "PING_SECONDS"):
        monkeypatch.setattr(dashboards.server, name, SHORT_SECONDS)

    async def run(use: Use, store: Store) -> None:
        monitor = make_monitor(store, Settings(data=str(tmp_path / "data"), port=0))
        server = make_server(monitor, KEY)
        server.start()
        try:
            await asyncio.wait_for(use(server.port or 0, monitor), WAIT_SECONDS)
        finally:
            server.stop()

    def serve(use: Use) -> None:
        pn.extension()
        store = Store.open(tmp_path / "data")
        try:
            asyncio.run(run(use, store))
        finally:
            store.close()

    return serve


async def connect(port: int, text: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.encode())
    await writer.drain()
    return reader, writer


async def ask(port: int, path: str, *headers: str) -> str:
    lines = "".join(f"{line}\r\n" for line in ("Host: x", "Connection: close", *headers))
    reader, writer = await connect(port, f"GET {path} HTTP/1.1\r\n{lines}\r\n")
    answer = (await reader.read()).decode(errors="replace")
    writer.close()
    return answer


async def trickle(port: int, head: str) -> None:
    """Send a request byte by byte until the server closes the connection."""
    await trickle_on(*await connect(port, head))


async def trickle_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send byte by byte until the server closes the connection."""
    ended = asyncio.ensure_future(reader.read())
    while not ended.done():
        with suppress(ConnectionError):
            writer.write(b"x")
            await writer.drain()
        await asyncio.wait([ended], timeout=0.02)
    with suppress(ConnectionError):
        assert await ended == b""
    writer.close()


@pytest.mark.parametrize(
    "head", ["GET / HTTP/1.1\r\nHost: ", "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\npassword="]
)
def test_who_sends_byte_by_byte_is_cut_off(serve: Callable[[Use], None], head: str) -> None:
    async def use(port: int, monitor: Monitor) -> None:
        await trickle(port, head)
        assert " 200 " in await ask(port, "/healthz")

    serve(use)


def test_a_message_that_never_ends_gives_its_room_back(serve: Callable[[Use], None]) -> None:
    async def use(port: int, monitor: Monitor) -> None:
        token = (await monitor.hosts.add("pve-slow")).token
        authorization = f"Authorization: Bearer {token}\r\nContent-Length: 100000\r\n\r\n"
        await trickle(port, f"POST /api/ingest HTTP/1.1\r\nHost: x\r\n{authorization}{{")
        assert monitor.ingest.budget.used_bytes == 0

    serve(use)


@pytest.mark.parametrize("begun", ["", "POST /api/ingest HTT", "whole head"])
def test_a_known_agent_that_becomes_slow_is_let_go_of(serve: Callable[[Use], None], begun: str) -> None:
    async def use(port: int, monitor: Monitor) -> None:
        token = (await monitor.hosts.add("pve-slow")).token
        head = f"POST /api/ingest HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: "
        whole = f'{head}15\r\n\r\n{{"samples": []}}'
        reader, writer = await connect(port, whole)
        for _ in range(2):  # from the second on the connection is not Tornado's
            assert b'"stored":0' in await asyncio.wait_for(reader.readuntil(b"}"), WAIT_SECONDS)
            writer.write(whole.encode())
        await reader.readuntil(b"}")
        writer.write((f"{head}100000\r\n\r\n{{" if begun == "whole head" else begun).encode())
        if begun:
            await trickle_on(reader, writer)
        else:
            assert await reader.read() == b""
            writer.close()
        assert monitor.ingest.budget.used_bytes == 0

    serve(use)


def test_connections_that_say_nothing_hold_nobody_up(serve: Callable[[Use], None]) -> None:
    async def use(port: int, monitor: Monitor) -> None:
        silent = [await connect(port, "") for _ in range(SILENT_CLIENTS)]
        assert " 200 " in await ask(port, "/healthz")
        for reader, writer in silent:
            assert await reader.read() == b""
            writer.close()

    serve(use)


def test_a_browser_that_vanished_is_let_go_of(serve: Callable[[Use], None]) -> None:
    async def use(port: int, monitor: Monitor) -> None:
        user = create_signed_value(KEY, "user", await monitor.sessions.start()).decode()
        cookie, key = f"Cookie: user={user}", base64.b64encode(os.urandom(16)).decode()
        page = await ask(port, "/", cookie)
        found = re.search(r'"token":"([\w-]+)', page)
        assert found
        head = ["GET /ws HTTP/1.1", "Host: x", "Origin: http://x", cookie, "Upgrade: websocket", "Connection: Upgrade"]
        head += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        head += [f"Sec-WebSocket-Protocol: bokeh, {found[1]}", "", ""]
        reader, writer = await connect(port, "\r\n".join(head))
        assert b" 101 " in await reader.readline()
        await reader.read()  # pings that nobody answers, and then the end
        writer.close()

    serve(use)
