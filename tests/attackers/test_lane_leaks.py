"""However connections of agents end, nothing of them stays: no descriptor, task, timer or byte of the budget."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import panel as pn
import pytest
import uvloop
from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.iostream import IOStream

from proxmon.handlers.agentconnection import AgentConnection, Resumed
from tests.attackers.wire import FAREWELL, NOTHING, Client, LocalServer, a_request
from tests.builders import a_message, a_wire_sample
from tests.counts import Count

CONNECTIONS = 5000 if os.environ.get("PROXMON_SOAK") else 60
AT_ONCE = 20
WAIT_TURNS = 40
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
KINDS = (AgentConnection, IOStream, Resumed, HTTP1Connection, HTTP1ServerConnection, asyncio.Task, asyncio.TimerHandle)

End = Callable[[Client, str, bytes], Awaitable[None]]


async def leave(client: Client, token: str, message: bytes) -> None:
    """End after the last answer."""
    await client.send(message)
    await client.answers(1)


async def leave_in_mid_head(client: Client, token: str, message: bytes) -> None:
    """End before it is known what is asked."""
    await client.send(message[:20])


async def leave_in_mid_message(client: Client, token: str, message: bytes) -> None:
    """End before the message is whole."""
    await client.send(message[:-10])


async def leave_unanswered(client: Client, token: str, message: bytes) -> None:
    """End without waiting for the answer."""
    await client.send(message)


async def say_all_and_listen(client: Client, token: str, message: bytes) -> None:
    """Close one half, and wait for the server to close the other."""
    await client.send(message)
    client.socket.shutdown(socket.SHUT_WR)
    await client.answers(2)


async def go_back(client: Client, token: str, message: bytes) -> None:
    """Return to Tornado."""
    await client.send(HEALTH)
    await client.answers(1)


async def go_back_and_come_again(client: Client, token: str, message: bytes) -> None:
    """Return to Tornado and be taken over again, all in one piece."""
    await client.send((HEALTH + message) * 3)
    await client.answers(6)


async def go_back_to_end(client: Client, token: str, message: bytes) -> None:
    """Let Tornado end it."""
    await client.send(FAREWELL)
    await client.answers(2)


async def offend(client: Client, token: str, message: bytes) -> None:
    """Send what Tornado refuses."""
    await client.send(message + b"\x00\r\n\r\n")
    await client.answers(2)


ENDS: tuple[End, ...] = (
    leave,
    leave_in_mid_head,
    leave_in_mid_message,
    leave_unanswered,
    say_all_and_listen,
    go_back,
    go_back_and_come_again,
    go_back_to_end,
    offend,
)


async def use_connection(server: LocalServer, token: str, number: int) -> None:
    """Be taken over and end in one of the ways, every other time with a reset."""
    client = Client(server.port)
    await client.take_over(token)
    sample = a_wire_sample(collected_at=f"2026-11-22T20:00:{number % 60:02}Z")
    await ENDS[number % len(ENDS)](client, token, a_request(token, a_message(sample) if number % 4 else NOTHING))
    if number // len(ENDS) % 2:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


async def use_connections(server: LocalServer, token: str, count: int) -> None:
    for first in range(0, count, AT_ONCE):
        await asyncio.gather(*(use_connection(server, token, number) for number in range(first, first + AT_ONCE)))


def count_what_is_open(server: LocalServer) -> dict[str, int]:
    gc.collect()
    objects = [one for one in gc.get_objects() if type(one) in KINDS]
    # The loop keeps a timer that was cancelled until it would have been due.
    names = [type(one).__name__ for one in objects if not (isinstance(one, asyncio.TimerHandle) and one.cancelled())]
    counted = {name: names.count(name) for name in set(names)}
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return counted | {"descriptors": descriptors, "bytes": server.monitor.ingest.budget.used_bytes}


async def until_as_before(server: LocalServer, before: dict[str, int]) -> dict[str, int]:
    """Wait until no more is open than before, or for long."""
    more: dict[str, int] = {}
    for _ in range(WAIT_TURNS):
        await asyncio.sleep(0.05)
        more = {name: count for name, count in count_what_is_open(server).items() if count > before.get(name, 0)}
        if not more:
            break
    return more


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_nothing_stays_of_connections_that_ended(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop], count: Count
) -> None:
    async def use() -> None:
        server = LocalServer(tmp_path / "data")
        token = (await server.monitor.hosts.add("pve-gone")).token
        await use_connections(server, token, AT_ONCE)
        await asyncio.sleep(0.1)
        before = count_what_is_open(server)
        await use_connections(server, token, CONNECTIONS)
        left = await until_as_before(server, before)
        count("connections that end oddly", connections=CONNECTIONS, things_left=sum(left.values()))
        assert left == {}
        assert server.outstanding == 0
        await server.stop()

    pn.extension()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(use())
