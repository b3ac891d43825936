"""A server in trouble, seen from outside: a disk without room, and pages that come and go all day."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.builders import NOW, a_fast_payload, a_message, a_wire_sample, iso
from tests.contract.test_login import open_socket
from tests.counts import Count
from tests.servers import WAYS, Server

FIRST_VISITS = 50  # what the first ones load is kept
# What the collector has not found yet, and the allocator keeps: some 24 MiB, however many they are. Whole sessions, of
# 0.3 MB each, would exceed the bound of the short run too.
VISITS, MOST_GROWTH = (10_000, 64 * 2**20) if os.environ.get("PROXMON_SOAK") else (150, 40 * 2**20)
RETRY_LIMIT = 200


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Give a server of its own."""
    running = Server(tmp_path / "data").start()
    yield running
    running.stop()


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """Let no file of the server grow beyond what its largest has now, as if the disk had no room."""
    assert server.process is not None
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    size = max(path.stat().st_size for path in server.data.iterdir())
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


def nth_message(number: int) -> bytes:
    # Text that no compression shortens, so that the journal grows.
    payload = a_fast_payload(padding=os.urandom(100_000).hex())
    return a_message(a_wire_sample(collected_at=iso(NOW + timedelta(seconds=number)), payload=payload))


def test_a_full_disk_is_said_and_got_over(own_server: Server, count: Count) -> None:
    token, browser = own_server.add_host("pve-01"), own_server.log_in()
    stored = 0
    with full_disk(own_server):
        for number in range(RETRY_LIMIT):
            answer = own_server.post(token, nth_message(number))
            if answer.status_code != 200:
                break
            stored += 1
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert set(answer.json()) == {"error"}
        assert own_server.ask("GET", "/healthz").status_code == 503
        assert browser.get(own_server.url + "/", timeout=30).status_code == 200
        assert own_server.log_in().get(own_server.url + "/", timeout=30).status_code == 200
    tries = next(n for n in range(RETRY_LIMIT) if own_server.post(token, nth_message(RETRY_LIMIT + n)).ok)
    assert tries < RETRY_LIMIT
    assert own_server.ask("GET", "/healthz").status_code == 200
    own_server.stop()
    own_server.start()
    repeated = [own_server.post(token, nth_message(number)).json() for number in range(stored)]
    missing = sum(answer != {"stored": 0, "duplicates": 1} for answer in repeated)
    count("a full disk", times=1, samples_acknowledged=stored, missing=missing)
    assert repeated == [{"stored": 0, "duplicates": 1}] * stored


def resident_bytes(server: Server) -> int:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def visit(server: Server, cookie: str) -> None:
    """Open the overview with its websocket, and leave."""
    with open_socket(server, "", Origin=server.url, Cookie=cookie) as connection:
        assert b" 101 " in connection.recv(1000)


def test_visits_leave_nothing_behind(tmp_path: Path, count: Count) -> None:
    arguments = ("--unused-session-lifetime", "100", "--check-unused-sessions", "100")
    server = Server(tmp_path / "data", way=WAYS[1], arguments=arguments).start()
    try:
        server.post(server.add_host("pve-01"), a_message())
        cookie = f"user={server.log_in().cookies['user']}"
        for _ in range(FIRST_VISITS):
            visit(server, cookie)
        before = resident_bytes(server)
        for _ in range(VISITS):
            visit(server, cookie)
        growth = resident_bytes(server) - before
        count("sessions opened and closed", sessions=VISITS, KiB_of_memory_more=growth // 1024)
        assert growth < MOST_GROWTH
    finally:
        server.stop()
