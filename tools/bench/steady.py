"""A hundred hosts at a steady rate: CPU, bytes written, memory and its slope, with ten pages open."""

from __future__ import annotations

import http.client
import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from urllib.parse import urlsplit

from tools.bench.messages import messages
from tools.bench.pages import a_browser, a_server, logged_in, open_overview
from tools.bench.processes import cpu_seconds, peak_mb, resident_mb, written_bytes
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
        with watched_memory(pid) as memory:
            send(server.url, tokens, SLOPE_FACTOR * NORMAL_RATE, SLOPE_SECONDS)
        peak = peak_mb(pid)
        for page in pages:
            page.context.close()
    return [
        row(f"CPU at {RATE:g} samples a second", [100 * cpu / CPU_SECONDS], "% of a core", "≤ 20", 20),
        row("bytes written for a byte of payload", [written / sent], "ratio", "≤ 3", 3),
        row(f"memory of the server, {HOSTS} hosts, {PAGES} pages", [held for _, held in memory], "MB", "≤ 400", 400),
        row("… the most it ever had", [peak], "MB"),
        row(
            f"… its slope under {SLOPE_FACTOR} times the normal rate, over {SLOPE_SECONDS:g} s",
            [slope_per_hour(memory)],
            "MB/h",
        ),
    ]


@contextmanager
def watched_memory(pid: int) -> Iterator[list[tuple[float, float]]]:
    """Look at a process's memory every second; give the list that fills with the seconds since then and the MB."""
    found, is_over, began = list[tuple[float, float]](), threading.Event(), time.perf_counter()

    def watch() -> None:
        while not is_over.wait(1):
            found.append((time.perf_counter() - began, resident_mb(pid)))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        is_over.set()
        watching.join()


def slope_per_hour(memory: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line through what was seen; the first quarter fills caches up to their limits."""
    later = memory[len(memory) // 4 :]
    return statistics.linear_regression([at for at, _ in later], [held for _, held in later]).slope * 3600


def send(url: str, tokens: list[str], rate: float, seconds: float) -> int:
    """Send one sample a message at a rate, each host in turn; return the bytes that were sent."""
    start, began = datetime.now(UTC), time.perf_counter()
    netloc = urlsplit(url).netloc

    def client(lane: int) -> int:
        connection, sent = http.client.HTTPConnection(netloc), 0
        chosen = tokens[lane::CLIENTS]
        total, step = int(rate * seconds / CLIENTS), timedelta(seconds=CLIENTS / rate)
        for number, body in enumerate(islice(messages(lane, start, 1, step), total)):
            time.sleep(max(0.0, began + number * CLIENTS / rate - time.perf_counter()))
            connection.request("POST", "/api/ingest", body, {"Authorization": f"Bearer {chosen[number % len(chosen)]}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            sent += len(body)
        return sent

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(client, range(CLIENTS)))
