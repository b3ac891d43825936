"""What an agent with a valid token may try on a connection that the server took over: it gains and breaks nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import panel as pn
import pytest
import uvloop

from proxmon.handlers.agentconnection import AgentConnection
from proxmon.handlers.plainhead import read_head
from tests.attackers.wire import NOTHING, Answer, Client, LocalServer, a_request, settle
from tests.builders import a_message, a_wire_sample

WAIT_SECONDS = 60  # far more than it takes
ROOM_BYTES = 4096
LINE = b"POST /api/ingest HTTP/1.1"
EMPTY = Answer(200, b'{"stored":0,"duplicates":0}')
STORED = Answer(200, b'{"stored":1,"duplicates":0}')
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HEALTHY = Answer(200, b'{"status":"ok"}')

Use = Callable[[LocalServer, str], Awaitable[None]]


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Use], None]:
    """Give what runs a use against a server and a known host's token, in each of the event loops."""

    async def run(use: Use) -> None:
        server = LocalServer(tmp_path / "data")
        try:
            token = (await server.monitor.hosts.add("pve-hostile")).token
            await asyncio.wait_for(use(server, token), WAIT_SECONDS)
        finally:
            await server.stop()

    def serve(use: Use) -> None:
        pn.extension()
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(run(use))

    return serve


def a_sample_of(second: int) -> bytes:
    return a_message(a_wire_sample(collected_at=f"2026-11-22T20:{second // 60:02}:{second % 60:02}Z"))


def test_a_line_of_blanks_is_read_in_one_go() -> None:
    """By the square of its length it would take half an hour."""
    assert read_head(LINE + b"\r\nHost: x\r\nX:" + b" " * 600_000 + b"\x01\r\n\r\n", LINE) is None


def test_more_than_one_read_that_is_given_back_is_not_lost(serve: Callable[[Use], None]) -> None:
    async def use(server: LocalServer, token: str) -> None:
        client = Client(server.port)
        await client.take_over(token)
        widening = a_request(token, NOTHING.ljust(600_000))  # the system reads as much at once only after that
        padding = f"X-Padding: {'x' * 30_000}\r\n"
        messages = [a_request(token, a_sample_of(second), padding) for second in range(8)]
        await client.send(widening)
        assert await client.answers(1) == [EMPTY]
        await client.send(b"".join([HEALTH, *messages, HEALTH]))
        assert await client.answers(11) == [EMPTY, HEALTHY, *[STORED] * 8, HEALTHY]
        client.close()

    serve(use)


def test_an_agent_that_has_said_all_still_hears_the_answers(serve: Callable[[Use], None]) -> None:
    async def use(server: LocalServer, token: str) -> None:
        client = Client(server.port)
        await client.take_over(token)
        await client.send(b"".join(a_request(token, a_sample_of(second)) for second in range(3)))
        client.socket.shutdown(socket.SHUT_WR)
        assert await client.answers(4) == [STORED] * 3
        assert client.has_ended
        client.close()

    serve(use)


@pytest.mark.parametrize("rest", [b"", b"POST /api/ingest HTT", LINE + b"\r\nHost: x\r\n\r\n"])
def test_an_agent_that_ends_in_mid_request_is_let_go_of(serve: Callable[[Use], None], rest: bytes) -> None:
    async def use(server: LocalServer, token: str) -> None:
        client = Client(server.port)
        await client.take_over(token)
        await client.send(rest)
        client.socket.shutdown(socket.SHUT_WR)
        while not client.has_ended:
            await asyncio.sleep(0.001)
            client.receive()
        client.close()

    serve(use)


@pytest.mark.parametrize("body", [NOTHING, b"{"])
def test_who_never_reads_makes_the_server_hold_little(
    serve: Callable[[Use], None], monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    held: list[int] = []
    received = AgentConnection.data_received

    def note(agent: AgentConnection, data: bytes) -> None:
        received(agent, data)
        held.append(len(agent._pending) + agent._transport.get_write_buffer_size())

    monkeypatch.setattr(AgentConnection, "data_received", note)

    async def use(server: LocalServer, token: str) -> None:
        server.narrow(ROOM_BYTES)
        client = Client(server.port, ROOM_BYTES)
        await client.take_over(token)
        assert await client.send_deaf(a_request(token, body) * (2**24 // 200))
        assert max(held) < 2**20
        client.close()

    serve(use)


def test_answers_come_in_turn_to_who_begins_to_read_late(serve: Callable[[Use], None]) -> None:
    async def use(server: LocalServer, token: str) -> None:
        server.narrow(ROOM_BYTES)
        client = Client(server.port, ROOM_BYTES)
        await client.take_over(token)
        rest = await client.send_deaf((a_request(token, NOTHING) * 20 + HEALTH) * 20)
        await client.send(rest)
        assert await client.answers(21 * 20) == ([EMPTY] * 20 + [HEALTHY]) * 20
        client.close()

    serve(use)


def test_a_head_that_is_too_long_ends_the_connection_wherever_it_is_cut(serve: Callable[[Use], None]) -> None:
    async def use(server: LocalServer, token: str) -> None:
        for first in (100, 65_536, 65_540):
            client = Client(server.port)
            await client.take_over(token)
            request = a_request(token, NOTHING, f"X-Padding: {'x' * 66_000}\r\n")
            await client.send(request[:first])
            await settle([client], 5)
            await client.send(request[first:])
            await client.answers(1)
            assert (client.content, client.has_ended) == (b"", True)
            client.close()

    serve(use)


def test_a_length_of_thousands_of_digits_is_too_large(serve: Callable[[Use], None]) -> None:
    async def use(server: LocalServer, token: str) -> None:
        client = Client(server.port)
        await client.send(a_request(token, NOTHING).replace(b"Length: ", b"Length: " + b"9" * 5000))
        assert [answer.status for answer in await client.answers(1)] == [413]
        client.close()

    serve(use)
