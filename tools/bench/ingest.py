"""Durable samples a second over HTTP, against what else one might have built or installed."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

from tools.bench.baselines import a_handler, an_influxdb
from tools.bench.messages import lines, messages
from tools.bench.pages import a_server
from tools.bench.processes import cpu_seconds, written_bytes
from tools.bench.table import Row, note, row

CLIENTS = 16
SECONDS = 4.0
REPETITIONS = 5
LATER_SECONDS = 5.5  # our tables follow the journal within five; a rival that does all at once only rests
Bodies = Callable[[int, datetime, int], Iterator[bytes]]


@dataclass
class Rival:
    """One of those that are measured: where to send to, and what was measured so far."""

    name: str
    url: str
    pid: int
    tokens: list[str]
    bodies: Bodies = messages
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    slow: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    written: list[float] = field(default_factory=list)


def drive(rival: Rival, samples: int) -> None:
    """Send for some seconds from several clients; note samples a second, latencies, and CPU and bytes of a sample.

    Those two are taken once the server has also done what it left for later.
    """
    start = datetime.now(UTC)
    with ExitStack() as opened, selectors.DefaultSelector() as selector:
        for number in range(CLIENTS):
            client = opened.enter_context(Client(rival, rival.bodies(number, start, samples), number))
            selector.register(client.socket, selectors.EVENT_READ, client)
        before, written = cpu_seconds(rival.pid), written_bytes(rival.pid)
        deadline = time.perf_counter() + SECONDS
        for key in selector.get_map().values():
            key.data.send()
        latencies = list(_answers(selector, deadline))
    taken = time.perf_counter() - deadline + SECONDS
    time.sleep(LATER_SECONDS)
    sent = len(latencies) * samples
    rival.latencies += latencies
    rival.slow.append(sorted(latencies)[int(len(latencies) * 0.99)])
    rival.rates.append(sent / taken)
    rival.cpu_ms.append((cpu_seconds(rival.pid) - before) * 1000 / sent)
    rival.written.append((written_bytes(rival.pid) - written) / sent)


class Client:
    """One agent's connection. It costs little CPU, which the server needs: one thread drives all of them."""

    def __init__(self, rival: Rival, bodies: Iterator[bytes], number: int) -> None:
        target = urlsplit(rival.url)
        self.socket = socket.create_connection((target.hostname, target.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bodies = bodies
        path = urlunsplit(("", "", target.path, target.query, ""))
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {target.netloc}\r\n"
            f"Authorization: Bearer {rival.tokens[number]}\r\nContent-Length: "
        )
        self._request, self._sent_at = self._make(), 0.0

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self) -> None:
        """Send a message, and make the next one while the server works."""
        self._sent_at = time.perf_counter()
        self.socket.sendall(self._request)
        self._request = self._make()

    def _make(self) -> bytes:
        body = next(self._bodies)
        return f"{self._head}{len(body)}\r\n\r\n".encode() + body

    def take_answer(self) -> float:
        """Return after how many milliseconds the answer came; it is small enough to come at once."""
        answer = self.socket.recv(65_536)
        took = (time.perf_counter() - self._sent_at) * 1000
        assert answer[9:12] in (b"200", b"204"), answer
        return took


def _answers(selector: selectors.BaseSelector, deadline: float) -> Iterator[float]:
    """Give the latency of each message until all have their last answer; none is sent after the deadline."""
    while selector.get_map():
        for key, _ in selector.select():
            client: Client = key.data
            yield client.take_answer()
            if time.perf_counter() < deadline:
                client.send()
            else:
                selector.unregister(client.socket)


def measure_ingest() -> list[Row]:
    """Measure all of them in turn, with one sample and with fifty a message."""
    return [one for samples in (1, 50) for one in measure(samples)]


def measure(samples: int) -> list[Row]:
    """Measure all of them in turn, several times, so that a busy moment meets each."""
    with ExitStack() as opened:
        server, hosts = opened.enter_context(a_server(CLIENTS))
        bare = opened.enter_context(a_handler(with_sqlite=False))
        sqlite = opened.enter_context(a_handler(with_sqlite=True))
        influx = opened.enter_context(an_influxdb())
        names = [f"host-{number}" for number in range(CLIENTS)]
        assert server.process is not None
        ours = Rival("proxmon", f"{server.url}/api/ingest", server.process.pid, [token for _, token in hosts])
        rivals = [
            ours,
            Rival("a handler that only parses", bare.url, bare.pid, names),
            Rival("a SQLite insert a sample, synchronous=FULL", sqlite.url, sqlite.pid, names),
        ]
        if influx:
            rivals.append(Rival("InfluxDB", influx.url, influx.pid, names, lines))
        for _ in range(REPETITIONS):
            for rival in rivals:
                drive(rival, samples)
    return [*own_rows(ours, samples), *(one for rival in rivals[1:] for one in ratio_rows(ours, rival, samples))] + (
        [] if influx else [note(f"against InfluxDB, {samples} a message", "not installed: apt install influxdb")]
    )


def own_rows(ours: Rival, samples: int) -> list[Row]:
    """Return what was measured of proxmon itself."""
    goal = ("≥ 3000", 3000.0) if samples == 50 else ("", None)
    return [
        row(f"durable samples a second, {samples} a message", ours.rates, "1/s", *goal, up=True),
        row(f"… acknowledged after, {samples} a message", ours.latencies, "ms"),
        row(f"… acknowledged after, 99 of 100, {samples} a message", ours.slow, "ms"),
        row(f"… CPU of a sample, {samples} a message", ours.cpu_ms, "ms"),
        row(f"… bytes written for a sample, {samples} a message", ours.written, "B"),
    ]


def ratio_rows(ours: Rival, rival: Rival, samples: int) -> list[Row]:
    """Return how proxmon compares with one of the others, run by run."""
    shares = [mine / other for mine, other in zip(ours.rates, rival.rates, strict=True)]
    least = {"a handler that only parses": 0.6, "a SQLite insert a sample, synchronous=FULL": 1.0}.get(rival.name)
    goal = (f"≥ {least:g}", least) if least and samples == 1 else ("", None)
    return [
        row(f"… rate against {rival.name}, {samples} a message", shares, "ratio", *goal, up=True),
        row(f"… {rival.name} itself, {samples} a message", rival.rates, "1/s"),
        row(f"… its answer after, {samples} a message", rival.latencies, "ms"),
        row(f"… its answer after, 99 of 100, {samples} a message", rival.slow, "ms"),
        row(f"… its CPU of a sample, {samples} a message", rival.cpu_ms, "ms"),
        row(f"… its bytes written for a sample, {samples} a message", rival.written, "B"),
    ]
