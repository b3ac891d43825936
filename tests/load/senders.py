"""Hosts' agents that keep their connection, and send again with the same content what was not acknowledged."""

from __future__ import annotations

import io
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyarrow
import requests

from tests.builders import a_fast_payload, a_message, a_wire_sample, iso
from tests.counts import Count
from tests.servers import Server
from tests.waiting import wait_for

# Not so long ago that a server which runs for hours would delete something.
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
MESSAGE_SAMPLES = 2
PADDING_BYTES = 4_000  # of a payload: what random bytes become in hexadecimal is not halved by any compression
END_SECONDS = 60


class Sender:
    """One host's agent."""

    def __init__(self, server: Server, name: str) -> None:
        self.name, self._url, self._token = name, f"{server.url}/api/ingest", server.add_host(name)
        self.acknowledged = 0  # samples, of which the first was collected at BEGIN and each other a second later
        self._body = self._next_body()
        self._session = requests.Session()

    def send(self) -> requests.Response:
        """Send what is not acknowledged yet."""
        bearer = {"Authorization": f"Bearer {self._token}"}
        answer = self._session.post(self._url, data=self._body, headers=bearer, timeout=30)
        if answer.ok:
            self.acknowledged += MESSAGE_SAMPLES
            self._body = self._next_body()
        return answer

    def deliver(self, stop: threading.Event) -> requests.Response | None:
        """Send until something is refused, and return how; None when the connection was lost."""
        answer = None
        try:
            while not stop.is_set() and (answer := self.send()).ok:
                pass
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            return None
        return answer

    def _next_body(self) -> bytes:
        numbers = range(self.acknowledged, self.acknowledged + MESSAGE_SAMPLES)
        moments = [iso(BEGIN + timedelta(seconds=number)) for number in numbers]
        payload = a_fast_payload(padding=os.urandom(PADDING_BYTES // 2).hex())
        return a_message(*(a_wire_sample(collected_at=at, payload=payload) for at in moments))


def deliver_until(senders: Sequence[Sender], count: int, act: Callable[[], None]) -> list[requests.Response | None]:
    """Let all deliver, act when each has so many more acknowledged, and return how each of them ended."""
    goals = [sender.acknowledged + count for sender in senders]
    stop = threading.Event()
    with ThreadPoolExecutor(len(senders)) as pool:
        endings = [pool.submit(sender.deliver, stop) for sender in senders]
        try:
            wait_for(
                lambda: all(sender.acknowledged >= goal for sender, goal in zip(senders, goals, strict=True)),
                END_SECONDS,
            )
            act()
            return [ending.result(END_SECONDS) for ending in endings]
        finally:
            stop.set()


def assert_each_is_there_once(server: Server, senders: Sequence[Sender]) -> None:
    """Check that the tables have each sample that was acknowledged exactly once, and no other."""
    missing, surplus = compare(server, senders)
    assert not missing, "some are missing"
    assert not surplus, "some are there twice, or were never acknowledged"


def count_all(count: Count, subject: str, server: Server, senders: Sequence[Sender], **events: int) -> None:
    """Count what was acknowledged, what of it is missing and what is there that should not be."""
    missing, surplus = compare(server, senders)
    acknowledged = sum(sender.acknowledged for sender in senders)
    count(subject, **events, samples_acknowledged=acknowledged, missing=missing, there_twice=surplus)
    assert_each_is_there_once(server, senders)


def compare(server: Server, senders: Sequence[Sender]) -> tuple[int, int]:
    """Return how many samples that were acknowledged are in one table or another not, and how many are too many."""
    expected = Counter((sender.name, number) for sender in senders for number in range(sender.acknowledged))
    tables = [count_samples(server, table) for table in ("samples", "host_samples")]
    return sum((expected - one).total() for one in tables), sum((one - expected).total() for one in tables)


def count_samples(server: Server, table: str) -> Counter[tuple[str, int]]:
    """Return how often a table has each sample, by its host and by how many seconds after BEGIN it was collected."""
    sql = f"SELECT host, epoch(collected_at)::BIGINT - {BEGIN.timestamp():.0f}, count(*) FROM {table} GROUP BY ALL"
    answer = server.ask("POST", "/api/query", json={"sql": sql})
    assert answer.status_code == 200, answer.text
    hosts, numbers, counts = pyarrow.ipc.open_stream(io.BytesIO(answer.content)).read_all().to_pydict().values()
    return Counter(dict(zip(zip(hosts, numbers, strict=True), counts, strict=True)))
