"""A page's websocket lets go of its session whenever it is closed, and what a browser sends makes no noise."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from panel.io.server import WSHandler
from tornado.httpclient import HTTPRequest
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from dashboards.server import hear_failure
from dashboards.sockets import UNREADABLE_CODE, PageSocket
from tests.attackers.cookies import cookie_of
from tests.contract.test_login import page_token
from tests.servers import Server


class Opening:
    """Counts connections as Bokeh's application does."""

    def __init__(self) -> None:
        self.lost: list[object] = []

    def client_lost(self, connection: object) -> None:
        self.lost.append(connection)


def a_socket(application: Opening) -> Any:
    """Return a websocket whose connection Bokeh did not make yet."""
    socket: Any = object.__new__(PageSocket)
    own = {"application": application, "connection": None, "_was_left_early": False, "_stop_watching": None}
    socket.__dict__ |= own | {"close_code": None, "close_reason": None}
    return socket


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let Bokeh make this connection."""
    made = SimpleNamespace(session=SimpleNamespace(notify_connection_lost=lambda: None))

    async def connect(self: Any, token: str) -> None:
        self.connection = made

    monkeypatch.setattr(WSHandler, "_async_open", connect)
    return made


@pytest.mark.parametrize("is_left_early", [True, False])
def test_a_page_that_is_left_lets_go_of_its_connection_once(connection: Any, is_left_early: bool) -> None:
    opening = Opening()
    socket = a_socket(opening)
    if is_left_early:
        socket.on_close()
    asyncio.run(socket._async_open("token"))
    if not is_left_early:
        assert opening.lost == []
        socket.on_close()
    assert opening.lost == [connection]


@pytest.mark.parametrize(
    ("error", "is_logged"), [(WebSocketClosedError(), False), (StreamClosedError(), False), (OSError("odd"), True)]
)
def test_a_page_that_leaves_in_mid_message_leaves_no_trace_in_the_log(
    error: Exception, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise error

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(hear_failure)
        task = asyncio.ensure_future(fail())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(story())
    assert ("never retrieved" in caplog.text) is is_logged


@asynccontextmanager
async def connected(server: Server, token: str | None = None) -> AsyncGenerator[WebSocketClientConnection]:
    """Give the websocket of the guests' page to somebody who is logged in."""
    with server.log_in() as session:
        headers = {"Origin": server.url, "Cookie": f"user={cookie_of(session)}"}
    request = HTTPRequest(f"ws{server.url.removeprefix('http')}/vms/ws", headers=headers)
    words = ["bokeh", token or page_token(server, "/vms", headers)]
    connection = await websocket_connect(request, subprotocols=words)
    stream = connection.protocol and connection.protocol.stream
    assert stream is not None
    try:
        yield connection
    finally:
        connection.close()
        # The server answers that, and only then is the socket closed: a loop that ended before would leave it open.
        while not stream.closed():
            await asyncio.sleep(0.01)


async def say(connection: WebSocketClientConnection, kind: str, content: object) -> None:
    """Send a message of Bokeh's protocol, once the server listens."""
    assert json.loads(await connection.read_message() or "")["msgtype"] == "ACK"
    for part in ({"msgid": "1", "msgtype": kind}, {}, content):
        await connection.write_message(json.dumps(part))


async def listen(connection: WebSocketClientConnection, kind: str) -> dict[str, Any] | None:
    """Return the content of the next message of a kind, None when the connection ends before it."""
    is_it = False
    while (part := await connection.read_message()) is not None:
        found = json.loads(part)
        if found.get("msgtype"):
            is_it = found["msgtype"] == kind
        elif is_it and found:
            return found
    return None


@pytest.mark.parametrize("token", ["geheim", "Z2VoZWlt", "e30", "W10", "MQ", "eyJzZXNzaW9uX2lkIjoieCJ9"])
def test_a_token_that_is_none_closes_the_websocket_without_a_trace(server: Server, token: str) -> None:
    async def story() -> None:
        async with connected(server, token) as connection:
            assert await connection.read_message() is None

    before = len(server.log())
    asyncio.run(asyncio.wait_for(story(), 30))
    assert "Traceback" not in server.log()[before:]
    assert "geheim" not in server.log()[before:]


@pytest.mark.parametrize(
    ("kind", "content"),
    [("ERROR", {"text": "geheim"}), ("geheim", {}), ("OK", "geheim")],
)
def test_what_is_no_message_of_a_page_closes_the_websocket_and_is_not_logged(
    server: Server, kind: str, content: object
) -> None:
    async def story() -> None:
        async with connected(server) as connection:
            await say(connection, kind, content)
            assert await listen(connection, "ERROR") is None
            assert connection.close_code == UNREADABLE_CODE

    before = len(server.log())
    asyncio.run(asyncio.wait_for(story(), 30))
    assert "geheim" not in server.log()[before:]
    assert "Logging error" not in server.log()[before:]


def test_a_browser_is_told_no_trace_of_what_failed(server: Server) -> None:
    async def story() -> dict[str, Any] | None:
        change = {"kind": "ModelChanged", "model": {"id": "nobody"}, "attr": "x", "new": "geheim"}
        async with connected(server) as connection:
            await say(connection, "PATCH-DOC", {"events": [change]})
            return await listen(connection, "ERROR")

    before = len(server.log())
    told = asyncio.run(asyncio.wait_for(story(), 30))
    assert told == {"text": "Look at the server's log: it could not do this.", "traceback": None}
    assert "a page's PATCH-DOC failed" in server.log()[before:]
    assert "geheim" not in server.log()[before:]
