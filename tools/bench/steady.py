"""A hundred hosts at a steady rate: CPU, bytes written, memory and its slope, with ten pages open."""

from __future__ import annotations

import http.client
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import urlsplit

from tools.bench.messages import messages
from tools.bench.pages import a_browser, a_server, logged_in, open_overview
from tools.bench.processes import cpu_seconds, resident_mb, written_bytes
from tools.bench.table import Row, row

HOSTS, CLIENTS, PAGES = 100, 10, 10
RATE = 100.0
CPU_SECONDS = 30.0
NORMAL_RATE = HOSTS / 10
SLOPE_FACTOR = 20
SLOPE_SECONDS = float(os.environ.get("PROXMON_BENCH_SLOPE_SECONDS", "60"))


def measure_steady() -> list[Row]:
    """Measure the cost of a steady stream, then what the memory does under twenty times the normal one."""
    with ExitStack() as opened:
        server, hosts = opened.enter_context(a_server(HOSTS))
        assert server.process is not None
        pid, tokens = server.process.pid, [token for _, token in hosts]
        cpu, written = cpu_seconds(pid), written_bytes(pid)
        sent = send(server.url, tokens, RATE, CPU_SECONDS)
        cpu, written = cpu_seconds(pid) - cpu, written_bytes(pid) - written
        browser = opened.enter_context(a_browser())
        pages = [open_overview(logged_in(browser, server), server, HOSTS)[0] for _ in range(PAGES)]
        memory = [resident_mb(pid)]
        for _ in range(4):
            send(server.url, tokens, SLOPE_FACTOR * NORMAL_RATE, SLOPE_SECONDS / 4)
            memory.append(resident_mb(pid))
        for page in pages:
            page.context.close()
    # The first quarter fills caches and the database's buffers up to their limits.
    slope = (memory[-1] - memory[1]) * 3600 / (SLOPE_SECONDS * 3 / 4)
    return [
        row(f"CPU at {RATE:g} samples a second", [100 * cpu / CPU_SECONDS], "% of a core", "≤ 20", 20),
        row("bytes written for a byte of payload", [written / sent], "ratio", "≤ 3", 3),
        row(f"memory of the server, {HOSTS} hosts, {PAGES} pages", memory, "MB", "≤ 400", 400),
        row(f"… its slope under {SLOPE_FACTOR} times the normal rate, over {SLOPE_SECONDS:g} s", [slope], "MB/h"),
    ]


def send(url: str, tokens: list[str], rate: float, seconds: float) -> int:
    """Send one sample a message at a rate, each host in turn; return the bytes that were sent."""
    start, began = datetime.now(UTC), time.perf_counter()
    netloc = urlsplit(url).netloc

    def client(lane: int) -> int:
        connection, sent = http.client.HTTPConnection(netloc), 0
        chosen = tokens[lane::CLIENTS]
        total = int(rate * seconds / CLIENTS)
        for number, body in enumerate(islice(messages(lane, start, 1), total)):
            time.sleep(max(0.0, began + number * CLIENTS / rate - time.perf_counter()))
            connection.request("POST", "/api/ingest", body, {"Authorization": f"Bearer {chosen[number % len(chosen)]}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            sent += len(body)
        return sent

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(client, range(CLIENTS)))
