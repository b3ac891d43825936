"""More than can be stored, from more than usually come: the server refuses politely, and everything else goes on."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pytest

from tests.counts import Count
from tests.load.agents import Agent, Tally, address_of, message
from tests.servers import Server

IS_LONG = bool(os.environ.get("PROXMON_SOAK"))
FLOODING, FLOODS, LEAST_STORED = (60, 60, 500) if IS_LONG else (40, 60, 20)  # agents, messages of each, and of all
# Agents that never wait offer as much as they are answered, so what a machine stores of it is only counted (a fifth to
# a twelfth). The flood goes on until ten times as many messages as must be stored were refused.
LEAST_REFUSED = 10 * LEAST_STORED
RETURNING, SPOOLED = (1000, 360) if IS_LONG else (100, 60)  # agents, and samples of each: an hour of fast ones
BATCH = 60
MIB = 2**20
# Caches of the store, 512 MiB at most, and what may be in memory of messages (proxmon/budget.py, storage/backlog.py).
# The short flood takes 220 MiB.
MOST_GROWTH = (1024 if IS_LONG else 400) * MIB


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Give a server of its own, started with room for fewer files than there are agents."""
    running = Server(tmp_path / "data", wrapper=("prlimit", "--nofile=64:4096")).start()
    yield running
    running.stop()


def peak_bytes(server: Server) -> int:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def stored(server: Server) -> int:
    answer = server.ask("POST", "/api/query", json={"sql": "SELECT count(*) FROM host_samples"})
    assert answer.status_code == 200, answer.text
    return pyarrow.ipc.open_stream(io.BytesIO(answer.content)).read_all()[0][0].as_py()


def tell(count: Count, subject: str, tally: Tally, **numbers: int) -> None:
    """Count how messages were answered."""
    known = {f"messages_answered_{status}": tally.statuses[status] for status in (200, 429, 503)}
    other = tally.statuses.total() - sum(known.values())
    count(subject, **known, answered_otherwise=other, without_Retry_After=tally.without_retry_after, **numbers)


def test_a_flood_is_refused_politely_and_everything_else_goes_on(own_server: Server, count: Count) -> None:
    tokens = [own_server.add_host(f"pve-{number}") for number in range(FLOODING)]
    browser, before, tally = own_server.log_in(), peak_bytes(own_server), Tally()
    messages = [message(20, 20 * number, padding=65_536) for number in range(FLOODS)]  # 1.3 MiB each

    has_come = threading.Event()

    def is_over() -> bool:
        if tally.stored >= LEAST_STORED and tally.statuses[429] >= LEAST_REFUSED:
            has_come.set()  # what was under way is answered after that, and more of it is stored
        return has_come.is_set()

    async def flood() -> None:
        agents = [Agent(address_of(own_server), token, messages, tally) for token in tokens]
        await asyncio.gather(*(agent.deliver(patiently=False, is_over=is_over) for agent in agents))

    flooding = threading.Thread(target=asyncio.run, args=(flood(),), daemon=True)
    flooding.start()
    while flooding.is_alive():
        assert own_server.ask("GET", "/healthz").status_code == 200
        assert browser.get(own_server.url + "/", timeout=30).status_code == 200
    tell(count, "a flood", tally, missing=20 * tally.stored - stored(own_server))
    assert set(tally.statuses) <= {200, 429, 503}
    assert has_come.is_set(), "nearly all that came was stored: that was no flood"
    assert tally.without_retry_after == 0
    assert peak_bytes(own_server) - before < MOST_GROWTH
    assert stored(own_server) == 20 * tally.stored


def test_a_fleet_that_returns_at_once_delivers_everything_once(own_server: Server, count: Count) -> None:
    tokens = [own_server.add_host(f"pve-{number}") for number in range(RETURNING)]
    address, tally = address_of(own_server), Tally()
    messages = [message(BATCH, first) for first in range(0, SPOOLED, BATCH)]
    own_server.stop()

    async def come_back() -> None:
        agents = [Agent(address, token, messages, tally) for token in tokens]
        await asyncio.gather(*(agent.deliver() for agent in agents))

    fleet = threading.Thread(target=asyncio.run, args=(come_back(),), daemon=True)
    fleet.start()
    own_server.start()
    while fleet.is_alive():
        assert own_server.ask("GET", "/healthz").status_code == 200
        fleet.join(0.2)
    missing = RETURNING * SPOOLED - stored(own_server)
    tell(count, "a fleet that returns at once", tally, agents=RETURNING, samples=RETURNING * SPOOLED, missing=missing)
    assert set(tally.statuses) <= {200, 429, 503}
    assert tally.without_retry_after == 0
    assert stored(own_server) == RETURNING * SPOOLED
