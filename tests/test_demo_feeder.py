"""The demo's agents, over real HTTP to a real server with a real store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from proxmon.config import Settings
from proxmon.context import Monitor
from proxmon.demo.feeder import POSTS_PER_SECOND, demo_intervals, feed_demo
from proxmon.demo.names import host_name
from proxmon.demo.posting import post_json
from proxmon.demo.roles import PLANNED, STOPPED_FROM_SECONDS, Role
from proxmon.demo.scenario import INTERVALS
from proxmon.findings import Status
from proxmon.handlers.routes import list_routes
from proxmon.payload import Tier
from proxmon.runtime import make_monitor, utc_now
from storage import Store

LIMIT_SECONDS = 20
QUICK = {Tier.FAST: 0.01, Tier.MEDIUM: 60.0, Tier.SLOW: 600.0}
Asked = list[bytes]


@asynccontextmanager
async def serving(
    directory: Path, clock: Callable[[], datetime] = utc_now
) -> AsyncGenerator[tuple[Monitor, str], None]:
    """Run the API of a new monitor."""
    store = Store.open(directory)
    monitor = make_monitor(store, Settings(data=str(directory)), clock)
    listener, port = bind_unused_port()
    server = HTTPServer(Application(list_routes(monitor)))
    server.add_sockets([listener])
    try:
        yield monitor, f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        await server.close_all_connections()
        store.close()


@asynccontextmanager
async def feeding(feed: Awaitable[None]) -> AsyncGenerator[None, None]:
    """Run the feeder beside the test."""
    task = asyncio.ensure_future(feed)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(monitor: Monitor, is_so: Callable[[], bool]) -> None:
    """Wait until the monitor's state is so; asked after each of its changes."""
    changed = asyncio.Event()
    monitor.bus.subscribe(lambda _: changed.set())
    while not is_so():
        changed.clear()
        await changed.wait()


def seen(monitor: Monitor) -> dict[str, set[Tier]]:
    """Return which tiers have arrived of each host."""
    return {judged.name: set(judged.snapshot.samples) for judged in monitor.board.list_hosts()}


@asynccontextmanager
async def answering(answers: list[int]) -> AsyncGenerator[tuple[str, Asked, asyncio.Event], None]:
    """Run a server that gives these statuses one after the other; the event is set when all are given."""
    asked: Asked = []
    is_over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        status = answers[min(len(asked), len(answers)) - 1]
        writer.write(f"HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        writer.close()
        if len(asked) >= len(answers):
            is_over.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", asked, is_over


def test_all_tiers_of_all_hosts_arrive_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as (monitor, url), feeding(feed_demo(monitor, url, 8)):
            expected = {host_name(index): set(Tier) for index in range(8)}
            await until(monitor, lambda: seen(monitor) == expected)
            statuses = {judged.status.status for judged in monitor.board.list_hosts()}
            assert statuses == {Status.OK, Status.WARNING, Status.CRITICAL}

    asyncio.run(run())


def test_fast_samples_keep_coming(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as (monitor, url), feeding(feed_demo(monitor, url, 1, QUICK)):
            moments: set[object] = set()

            def has_three() -> bool:
                moments.update(judged.snapshot.last_seen_at for judged in monitor.board.list_hosts())
                return len(moments - {None}) >= 3

            await until(monitor, has_three)

    asyncio.run(run())


def test_an_agent_that_is_stopped_says_goodbye(tmp_path: Path) -> None:
    ahead = timedelta(0)

    async def run() -> None:
        nonlocal ahead
        async with (
            serving(tmp_path, lambda: utc_now() + ahead) as (monitor, url),
            feeding(feed_demo(monitor, url, len(PLANNED), QUICK)),
        ):
            await until(monitor, lambda: len(seen(monitor)) == len(PLANNED) and all(seen(monitor).values()))
            ahead = timedelta(seconds=STOPPED_FROM_SECONDS + 1)
            name = host_name(PLANNED.index(Role.STUCK))

            def has_left() -> bool:
                judged = monitor.board.find_named(name)
                return judged is not None and judged.snapshot.left_at is not None

            await until(monitor, has_left)
            judged = monitor.board.find_named(name)
            assert judged is not None
            assert judged.status.status is Status.OFFLINE

    asyncio.run(run())


def test_hosts_of_an_earlier_demo_get_new_tokens(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path) as (monitor, url):
            await monitor.hosts.add(host_name(0))
            async with feeding(feed_demo(monitor, url, 2)):
                await until(monitor, lambda: seen(monitor) == {host_name(0): set(Tier), host_name(1): set(Tier)})
            rotated = [judged.snapshot.rotated_at for judged in monitor.board.list_hosts()]
            assert sum(moment is not None for moment in rotated) == 1

    asyncio.run(run())


def test_a_refused_post_is_logged_once_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with serving(tmp_path) as (monitor, _), answering([503, 503, 503, 200]) as (url, asked, is_over):
            async with feeding(feed_demo(monitor, url, 1, QUICK)):
                await is_over.wait()
            assert len(asked) >= 4

    with caplog.at_level(logging.WARNING, "proxmon.demo"):
        asyncio.run(run())
    messages = [record.getMessage() for record in caplog.records if record.name == "proxmon.demo.feeder"]
    assert len(messages) == 1
    assert host_name(0) in messages[0]
    assert "503" in messages[0]


def test_a_host_that_was_deleted_is_logged_once_while_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with serving(tmp_path) as (monitor, url), feeding(feed_demo(monitor, url, 2, QUICK)):
            await until(monitor, lambda: len(seen(monitor)) == 2 and all(seen(monitor).values()))
            await monitor.hosts.delete(host_name(0), keep_history=False)
            kept: set[object] = set()

            def has_ten_more() -> bool:
                kept.update(judged.snapshot.last_seen_at for judged in monitor.board.list_hosts())
                return len(kept) >= 10

            await until(monitor, has_ten_more)

    with caplog.at_level(logging.WARNING, "proxmon.demo"):
        asyncio.run(run())
    messages = [record.getMessage() for record in caplog.records if record.name == "proxmon.demo.feeder"]
    assert len(messages) == 1
    assert host_name(0) in messages[0]


def test_a_server_that_is_away_is_no_answer() -> None:
    listener, port = bind_unused_port()
    listener.close()
    with pytest.raises(OSError, match=str(port)):
        asyncio.run(post_json(f"http://127.0.0.1:{port}/api/ingest", "token", b"{}"))


def test_a_post_carries_token_and_path() -> None:
    async def run() -> None:
        async with answering([200]) as (url, asked, _):
            assert await post_json(f"{url}/proxmon/api/ingest", "secret", b"{}") == (200, "{}")
            assert asked[0].startswith(b"POST /proxmon/api/ingest HTTP/1.1\r\n")
            assert b"Authorization: Bearer secret\r\n" in asked[0]

    asyncio.run(run())


def test_a_small_fleet_is_lively_and_a_large_one_stays_cheap() -> None:
    assert demo_intervals(8) == INTERVALS
    assert 1000 / demo_intervals(1000)[Tier.FAST] <= POSTS_PER_SECOND
    assert all(seconds >= INTERVALS[tier] for tier, seconds in demo_intervals(200).items())
