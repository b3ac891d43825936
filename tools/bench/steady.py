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
from itertools import islice
from urllib.parse import urlsplit

from tests.servers import Server
from tools.bench.messages import live_messages
from tools.bench.pages import a_browser, a_server, live_overview, pid_of
from tools.bench.processes import cpu_seconds, peak_mb, resident_mb, written_bytes
from tools.bench.table import Row, row

HOSTS, CLIENTS, PAGES = 100, 10, 10
RATE = 100.0
# The log is written into the file at each 16 MiB, about every 25 s: each window holds a checkpoint or two.
WARM_SECONDS, WINDOW_SECONDS, WINDOWS = 10.0, 30.0, 6
NORMAL_RATE = HOSTS / 10
SLOPE_FACTOR = 20
SLOPE_SECONDS = float(os.environ.get("PROXMON_BENCH_SLOPE_SECONDS", "60"))
# In less time, what the allocators take and give back from minute to minute outweighs what is lost in an hour.
LEAST_SLOPE_SECONDS = 1800
SLOPE_GOAL = 20  # MB/h: a day of the normal rate then costs 24 MB


def measure_steady() -> list[Row]:
    """Measure the cost of a steady stream, then what the memory does under twenty times the normal one."""
    with a_server(HOSTS) as (server, hosts):
        tokens = [token for _, token in hosts]
        return [*measure_cost(server, tokens), *measure_memory(server, tokens)]


def measure_cost(server: Server, tokens: list[str]) -> list[Row]:
    """Measure CPU and bytes written, window by window, with no page open."""
    pid, stream = pid_of(server), Stream(server.url, tokens, RATE)
    stream.send(WARM_SECONDS)
    cpu, written, payload = list[float](), list[int](), list[int]()
    for _ in range(WINDOWS):
        used, given = cpu_seconds(pid), written_bytes(pid)
        payload.append(stream.send(WINDOW_SECONDS))
        cpu.append(100 * (cpu_seconds(pid) - used) / WINDOW_SECONDS)
        written.append(written_bytes(pid) - given)
    shares = [mine / sent for mine, sent in zip(written, payload, strict=True)]
    span, whole = f"{WINDOWS * WINDOW_SECONDS:g} s", sum(written) / sum(payload)
    return [
        row(f"CPU at {RATE:g} samples a second", cpu, "% of a core", "≤ 20", 20),
        row(f"bytes written for a byte of payload, in windows of {WINDOW_SECONDS:g} s", shares, "ratio", "≤ 3", 3),
        row(f"… in all {span} at {RATE:g} samples a second", [whole], "ratio", "≤ 3", 3),
    ]


def measure_memory(server: Server, tokens: list[str]) -> list[Row]:
    """Measure memory, and again bytes written, for as long as the slope is asked for, with pages open."""
    pid, rate = pid_of(server), SLOPE_FACTOR * NORMAL_RATE
    with ExitStack() as opened:
        browser = opened.enter_context(a_browser())
        pages = [live_overview(browser, server, HOSTS) for _ in range(PAGES)]
        for page in pages:
            opened.callback(page.context.close)
        stream, given = Stream(server.url, tokens, rate), written_bytes(pid)
        with watched_memory(pid) as memory, ThreadPoolExecutor(1) as beside:
            sending = beside.submit(stream.send, SLOPE_SECONDS)
            # The driver tells of each message that a page gets. Unread for an hour, they keep the pages from closing.
            while not sending.done():
                pages[0].wait_for_timeout(1000)
        payload, written, peak = sending.result(), written_bytes(pid) - given, peak_mb(pid)
    whole = f"in all {SLOPE_SECONDS:g} s at {rate:g} samples a second"
    return [
        row(f"bytes written for a byte of payload, {whole}", [written / payload], "ratio", "≤ 3", 3),
        row(f"memory of the server, {HOSTS} hosts, {PAGES} pages", [held for _, held in memory], "MB", "≤ 400", 400),
        row("… the most it ever had", [peak], "MB", "≤ 400", 400),
        slope_row(slope_per_hour(memory)),
    ]


def slope_row(slope: float) -> Row:
    """Return what the slope is, held against its goal only where it was watched for long enough."""
    what = f"… its slope under {SLOPE_FACTOR} times the normal rate, over {SLOPE_SECONDS:g} s"
    if SLOPE_SECONDS < LEAST_SLOPE_SECONDS:
        return row(f"{what}: too short to judge, set PROXMON_BENCH_SLOPE_SECONDS=3600", [slope], "MB/h")
    return row(what, [slope], "MB/h", f"≤ {SLOPE_GOAL}", SLOPE_GOAL)


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


class Stream:
    """Samples of all hosts at a rate, one a message and each host in turn, over a few connections."""

    def __init__(self, url: str, tokens: list[str], rate: float) -> None:
        self._netloc, self._tokens, self._rate = urlsplit(url).netloc, tokens, rate
        self._lanes = [live_messages(lane) for lane in range(CLIENTS)]
        # The first message of a lane takes long, since all payloads are made with it.
        for lane in self._lanes:
            next(lane)

    def send(self, seconds: float) -> int:
        """Send for so long; return the bytes that were sent."""
        began, count = time.perf_counter(), int(self._rate * seconds / CLIENTS)
        with ThreadPoolExecutor(CLIENTS) as pool:
            return sum(pool.map(lambda lane: self._send_lane(lane, began, count), range(CLIENTS)))

    def _send_lane(self, lane: int, began: float, count: int) -> int:
        connection, sent = http.client.HTTPConnection(self._netloc), 0
        chosen = self._tokens[lane::CLIENTS]
        for number, body in enumerate(islice(self._lanes[lane], count)):
            time.sleep(max(0.0, began + (number * CLIENTS + lane) / self._rate - time.perf_counter()))
            connection.request("POST", "/api/ingest", body, {"Authorization": f"Bearer {chosen[number % len(chosen)]}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            sent += len(body)
        return sent
