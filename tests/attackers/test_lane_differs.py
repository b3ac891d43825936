"""The same bytes lead to the same answers and the same samples whether Tornado reads them or we do.

Two readers of one protocol that disagree on where a request ends are how requests are smuggled. What is compared is
what a client sees and what is stored, of streams of requests most of which are somehow odd.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import panel as pn
import pyarrow as pa
import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attackers.odd_requests import requests
from tests.attackers.wire import FAREWELL, Answer, Client, LocalServer, read_answers, settle
from tests.counts import Count

EXAMPLES = 2000 if os.environ.get("PROXMON_SOAK") else 60
MAX_BODY_BYTES = 4096
WAIT_TURNS, QUIET_TURNS = 2000, 20
MALFORMED = Answer(400, b"")
TOKENS = {"{first}": 0, "{second}": 1}


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a stream."""

    answers: tuple[Answer, ...]
    has_ended: bool
    stored: tuple[int, int]


class Pair:
    """Two servers in one loop, the second of which leaves all to Tornado."""

    def __init__(self, runner: asyncio.Runner, servers: list[LocalServer]) -> None:
        self._runner, self.servers = runner, servers
        self._tokens = [runner.run(self._add_hosts(server)) for server in servers]

    async def _add_hosts(self, server: LocalServer) -> list[str]:
        tokens = [(await server.monitor.hosts.add(f"pve-{number}")).token for number in range(len(TOKENS))]
        for token in tokens:
            await server.monitor.hosts.authenticate(token)
        return tokens

    def ask(self, stream: bytes, cuts: list[int]) -> list[Seen]:
        """Send a stream in pieces to both on connections of known agents, and wait until they do the same."""
        return self._runner.run(self._ask(stream, cuts))

    async def _ask(self, stream: bytes, cuts: list[int]) -> list[Seen]:
        clients = [Client(server.port) for server in self.servers]
        for client, (first, _) in zip(clients, self._tokens, strict=True):
            await client.take_over(first)
        await asyncio.gather(*(self._send(*each, stream, cuts) for each in zip(clients, self._tokens, strict=True)))
        seen = await self._wait(clients)
        for client in clients:
            client.close()
        return seen

    async def _send(self, client: Client, tokens: list[str], stream: bytes, cuts: list[int]) -> None:
        for name, index in TOKENS.items():
            stream = stream.replace(name.encode(), tokens[index].encode())
        begin = 0
        for end in [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]:
            await client.send(stream[begin:end])
            await settle([client], 3)
            begin = end

    async def _wait(self, clients: list[Client]) -> list[Seen]:
        """Wait until both have come to the same and nothing more happens, or for long."""
        seen, quiet = self._see(clients), 0
        for _ in range(WAIT_TURNS):
            if quiet >= QUIET_TURNS or (quiet and all(one.has_ended for one in seen)):
                break
            await asyncio.sleep(0.001)
            before, seen = seen, self._see(clients)
            is_idle = not any(server.outstanding for server in self.servers)
            quiet = quiet + 1 if is_idle and seen == before and seen[0] == seen[1] else 0
        return seen

    def _see(self, clients: list[Client]) -> list[Seen]:
        seen: list[Seen] = []
        for client, server in zip(clients, self.servers, strict=True):
            client.receive()
            ingest = server.monitor.ingest
            counts = ingest.stored_count, ingest.duplicate_count
            answers = tuple(read_answers(client.content))
            # It says no more and closes, with something unread: then what it said may be lost on the way.
            if client.has_ended and answers and answers[-1] == MALFORMED:
                answers = answers[:-1]
            seen.append(Seen(answers, client.has_ended, counts))
        return seen

    def list_stored(self) -> list[list[dict[str, Any]]]:
        """Return what each has in its store."""
        sql = "SELECT * EXCLUDE (received_at, clock_offset_seconds) FROM samples ORDER BY ALL"
        answers = [server.store.query(sql) for server in self.servers]
        streams = [b"".join(iter(answer.next_chunk, b"")) for answer in answers]
        return [pa.ipc.open_stream(stream).read_all().to_pylist() for stream in streams]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Give the two servers."""

    async def start() -> list[LocalServer]:
        directory: Path = tmp_path_factory.mktemp("pair")
        return [LocalServer(directory / str(lane), lane, MAX_BODY_BYTES) for lane in (True, False)]

    async def stop(servers: list[LocalServer]) -> None:
        for server in servers:
            await server.stop()

    pn.extension()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        servers = runner.run(start())
        yield Pair(runner, servers)
        runner.run(stop(servers))


def test_what_tornado_makes_of_a_stream_is_what_we_make_of_it(pair: Pair, count: Count) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(requests(), min_size=1, max_size=5), st.lists(st.integers(0, 2**20), max_size=8))
    def check(sent: list[bytes], cuts: list[int]) -> None:
        ours, tornados = pair.ask(b"".join(sent) + FAREWELL, cuts)
        count("streams of odd requests, read by us and by Tornado", streams=1, read_otherwise=ours != tornados)
        assert ours == tornados

    check()
    ours, tornados = pair.list_stored()
    assert ours
    assert ours == tornados
