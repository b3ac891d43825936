"""From the acknowledgement of a sample to the changed card, and what opening a large fleet costs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, DESKTOP
from tests.builders import a_fast_payload, a_guest, a_message, a_pool, a_wire_sample, iso
from tests.servers import Server
from tools.bench.table import Row, row

TICKS = os.sysconf("SC_CLK_TCK")
CARDS = "document.querySelectorAll('[data-role=host-card]').length"
# The page itself notes when its card changed: a poll from outside would measure the poll.
WATCH_CARD = """name => {
  const card = document.querySelector(`[data-role=host-card][data-host='${name}']`);
  window.changedAt = new Promise(resolve => new MutationObserver(() => resolve(Date.now()))
    .observe(card, {attributes: true, attributeFilter: ["data-status"]}));
}"""


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Give a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def a_server(hosts: int) -> Iterator[tuple[Server, list[tuple[str, str]]]]:
    """Give a server with that many hosts, each with a fast sample of 20 guests, and their names and tokens."""
    with TemporaryDirectory(prefix="proxmon-bench-") as directory:
        server = Server(Path(directory) / "data").start()
        try:
            names = [f"pve-{number:04d}" for number in range(hosts)]
            with ThreadPoolExecutor(8) as pool:
                tokens = list(pool.map(server.add_host, names))
                list(pool.map(lambda token: send(server, token), tokens))
            yield server, list(zip(names, tokens, strict=True))
        finally:
            server.stop()


def send(server: Server, token: str, health: str = "ONLINE") -> float:
    """Post a sample and return when it was acknowledged, in milliseconds of the wall clock."""
    guests = {"vms": [a_guest(vmid=100 + number, name=f"guest-{number:02d}") for number in range(20)]}
    payload = a_fast_payload(zfs_pools={"pools": [a_pool(health=health)]}, vms_runtime=guests)
    body = a_message(a_wire_sample(collected_at=iso(datetime.now(UTC)), payload=payload), interval_s=3600)
    answer = server.post(token, body)
    assert answer.status_code == 200, answer.text
    return time.time() * 1000


def logged_in(browser: Browser, server: Server) -> BrowserContext:
    """Return a browser's window with a session, but without any file in its cache."""
    context = browser.new_context(viewport=DESKTOP)
    cookies = server.log_in().cookies
    context.add_cookies([{"name": one.name, "value": one.value or "", "url": server.url} for one in cookies])
    return context


def open_overview(context: BrowserContext, server: Server, hosts: int) -> tuple[Page, float]:
    """Open the overview; return the page and the seconds until all its cards stood in it."""
    page = context.new_page()
    began = time.perf_counter()
    page.goto(server.url + "/")
    page.wait_for_function(f"{CARDS} >= {hosts}", polling="raf")
    return page, time.perf_counter() - began


def cpu_seconds(server: Server) -> float:
    """Return the CPU time that the server has used so far."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure_latency(browser: Browser, pages: int, repetitions: int) -> Row:
    """Measure acknowledged → changed card in every open page."""
    with a_server(8) as (server, hosts):
        opened = [open_overview(logged_in(browser, server), server, len(hosts))[0] for _ in range(pages)]
        name, token = hosts[0]
        time.sleep(1.5)
        measured: list[float] = []
        for number in range(repetitions):
            for page in opened:
                page.evaluate(WATCH_CARD, name)
            acknowledged = send(server, token, "DEGRADED" if number % 2 == 0 else "ONLINE")
            measured += [page.evaluate("window.changedAt") - acknowledged for page in opened]
        for page in opened:
            page.context.close()
    return row(f"acknowledged → changed card, {pages} open pages", measured, "ms", "≤ 300 as a median", 300)


def measure_opening(browser: Browser, hosts: int, repetitions: int) -> list[Row]:
    """Measure opening the overview of a fleet, and what one sample then sends and costs."""
    with a_server(hosts) as (server, known):
        open_overview(logged_in(browser, server), server, hosts)[0].context.close()
        seconds, cpu = [], []
        for _ in range(repetitions):
            context = logged_in(browser, server)
            before = cpu_seconds(server)
            seconds.append(open_overview(context, server, hosts)[1])
            cpu.append(cpu_seconds(server) - before)
            context.close()
        sent = [float(number) for number in bytes_per_update(browser, server, known)]
    goal = ("≤ 2", 2.0) if hosts == 1000 else ("", None)
    return [
        row(f"overview of {hosts} hosts: all cards in the page", seconds, "s", *goal),
        row(f"overview of {hosts} hosts: server CPU", cpu, "s"),
        row(f"overview of {hosts} hosts: bytes sent for one changed card", sent, "B", "≤ 2000", 2000),
    ]


def bytes_per_update(browser: Browser, server: Server, hosts: list[tuple[str, str]]) -> list[int]:
    """Return the websocket bytes that each of five changed cards took, beats of the page left out."""
    context = logged_in(browser, server)
    page, frames = context.new_page(), list[int]()

    def count(payload: str | bytes) -> None:
        frames.append(len(payload))

    page.on("websocket", lambda socket: socket.on("framereceived", count))
    page.goto(server.url + "/")
    page.wait_for_function(f"{CARDS} >= {len(hosts)}")
    page.wait_for_timeout(1500)
    sizes: list[int] = []
    for name, token in hosts[:5]:
        page.evaluate(WATCH_CARD, name)
        frames.clear()
        send(server, token, "DEGRADED")
        page.evaluate("window.changedAt")
        sizes.append(sum(frames))
    context.close()
    return sizes
