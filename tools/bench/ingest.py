"""Durable samples a second over HTTP, against a handler that only reads the same JSON."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from tests.builders import a_fast_payload, a_guest, a_message, a_wire_sample, iso
from tools.bench.pages import a_server
from tools.bench.table import Row, row

CLIENTS = 16
SECONDS = 4.0
BARE = """
import asyncio, json, sys
import tornado.web
class Handler(tornado.web.RequestHandler):
    def post(self):
        self.write({"stored": len(json.loads(self.request.body)["samples"])})
async def main():
    server = tornado.web.Application([("/api/ingest", Handler)]).listen(0, "127.0.0.1")
    print(next(iter(server._sockets.values())).getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@contextmanager
def bare_handler() -> Iterator[str]:
    """Give the address of a Tornado server that parses and forgets."""
    process = subprocess.Popen([sys.executable, "-c", BARE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.wait()


def bodies(start: datetime, samples: int) -> Iterator[bytes]:
    """Give messages with that many samples each, all of different moments."""
    guests = {"vms": [a_guest(vmid=100 + number, name=f"guest-{number:02d}") for number in range(20)]}
    payload = json.dumps(a_fast_payload(vms_runtime=guests))
    number = 0
    while True:
        wire = []
        for _ in range(samples):
            number += 1
            wire.append(a_wire_sample(collected_at=iso(start + timedelta(milliseconds=number)), payload=None))
        yield a_message(*wire).replace(b'"payload": null', b'"payload": ' + payload.encode())


def drive(url: str, tokens: list[str], samples: int) -> tuple[float, list[float]]:
    """Send for some seconds from several clients; return samples a second and the latencies in ms."""
    start = datetime.now(UTC)
    deadline = time.perf_counter() + SECONDS
    netloc = urlsplit(url).netloc

    def client(token: str) -> list[float]:
        connection, latencies = http.client.HTTPConnection(netloc), []
        for body in bodies(start, samples):
            began = time.perf_counter()
            connection.request("POST", "/api/ingest", body, {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            latencies.append((time.perf_counter() - began) * 1000)
            if time.perf_counter() > deadline:
                return latencies
        return latencies

    with ThreadPoolExecutor(len(tokens)) as pool:
        latencies = [one for found in pool.map(client, tokens) for one in found]
    return len(latencies) * samples / SECONDS, latencies


def measure_ingest() -> list[Row]:
    """Measure both servers in turn, with one sample and with fifty a message."""
    rows: list[Row] = []
    with a_server(CLIENTS) as (server, hosts), bare_handler() as bare:
        tokens = [token for _, token in hosts]
        for samples in (1, 50):
            ours, parsed, latency = [], [], []
            for _ in range(3):
                rate, found = drive(server.url, tokens, samples)
                ours.append(rate)
                latency += found
                parsed.append(drive(bare, tokens, samples)[0])
            share = [mine / other for mine, other in zip(ours, parsed, strict=True)]
            rows.append(row(f"durable samples a second, {samples} a message, {os.cpu_count()} cores", ours, "1/s"))
            rows.append(row(f"… against a handler that only parses, {samples} a message", share, "ratio"))
            rows.append(row(f"… acknowledged after, {samples} a message", latency, "ms"))
    return rows
