"""A page's websocket lets go of its session whenever it is closed, also while it opens."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import pytest
from panel.io.server import WSHandler
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from dashboards.server import PageSocket, hear_failure


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
