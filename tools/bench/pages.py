"""From the acknowledgement of a sample to the changed card, and what opening a large fleet costs."""

from __future__ import annotations

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
from tools.bench.processes import cpu_seconds
from tools.bench.table import Row, row

CARDS = "document.querySelectorAll('[data-role=host-card]').length"
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
GUESTS_SEARCHED = 5000
KEYSTROKE = """text => {
  const input = document.querySelector('[data-role=guest-search]');
  const began = performance.now();
  input.value = text;
  input.dispatchEvent(new Event('input'));
  document.body.getBoundingClientRect();
  return performance.now() - began;
}"""
UPDATES = 200
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
def a_server(hosts: int, guests: int = 20) -> Iterator[tuple[Server, list[tuple[str, str]]]]:
    """Give a server with that many hosts, each with a fast sample of its guests, and their names and tokens."""
    with TemporaryDirectory(prefix="proxmon-bench-") as directory:
        server = Server(Path(directory) / "data").start()
        try:
            names = [f"pve-{number:04d}" for number in range(hosts)]
            with ThreadPoolExecutor(8) as pool:
                tokens = list(pool.map(server.add_host, names))
                list(pool.map(lambda token: send(server, token, guests=guests), tokens))
            yield server, list(zip(names, tokens, strict=True))
        finally:
            server.stop()


def send(server: Server, token: str, health: str = "ONLINE", guests: int = 20) -> float:
    """Post a sample and return when it was acknowledged, in milliseconds of the wall clock."""
    running = {"vms": [a_guest(vmid=100 + number, name=f"guest-{number:02d}") for number in range(guests)]}
    payload = a_fast_payload(zfs_pools={"pools": [a_pool(health=health)]}, vms_runtime=running)
    body = a_message(a_wire_sample(collected_at=iso(datetime.now(UTC)), payload=payload), interval_s=3600)
    answer = server.post(token, body)
    assert answer.status_code == 200, answer.text
    return time.time() * 1000


def logged_in(browser: Browser, server: Server) -> BrowserContext:
    """Return a browser's window with a session, but without any file in its cache."""
    context = browser.new_context(viewport=DESKTOP, bypass_csp=True)
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
    return row(f"acknowledged → changed card, {pages} open pages", measured, "ms", "≤ 100", 100)


def measure_opening(browser: Browser, hosts: int, repetitions: int) -> list[Row]:
    """Measure opening the overview of a fleet, and what one sample then sends and costs."""
    with a_server(hosts) as (server, known):
        open_overview(logged_in(browser, server), server, hosts)[0].context.close()
        seconds, cpu, painted = [], [], []
        for _ in range(repetitions):
            context = logged_in(browser, server)
            before = cpu_seconds(pid_of(server))
            page, took = open_overview(context, server, hosts)
            cpu.append(cpu_seconds(pid_of(server)) - before)
            seconds.append(took)
            painted.append(page.evaluate(FIRST_PAINT) / 1000)
            context.close()
        sent = [float(number) for number in bytes_per_update(browser, server, known)]
        update = cpu_per_update(server, known)
    is_large = hosts == 1000
    return [
        row(f"overview of {hosts} hosts: first paint", painted, "s", *(("≤ 1", 1.0) if is_large else ())),
        row(f"overview of {hosts} hosts: all cards in the page", seconds, "s"),
        row(f"overview of {hosts} hosts: server CPU", cpu, "s", *(("≤ 0.5", 0.5) if is_large else ())),
        row(f"overview of {hosts} hosts: bytes sent for one changed card", sent, "B", "≤ 1000", 1000),
        row(f"overview of {hosts} hosts: server CPU of one sample, a page open", update, "ms", "≤ 3", 3),
    ]


def pid_of(server: Server) -> int:
    """Return the process that serves."""
    assert server.process is not None
    return server.process.pid


def cpu_per_update(server: Server, hosts: list[tuple[str, str]]) -> list[float]:
    """Return the CPU that the server spends on a sample, from its receipt to its card, in ms."""
    spent: list[float] = []
    for _ in range(3):
        before, rest = cpu_seconds(pid_of(server)), UPDATES
        while rest:
            for _, token in hosts[:rest]:
                send(server, token)
            rest -= min(rest, len(hosts))
        spent.append((cpu_seconds(pid_of(server)) - before) * 1000 / UPDATES)
    return spent


def measure_search(browser: Browser) -> Row:
    """Measure each keystroke of a search over 5,000 guests until what it found is laid out."""
    with a_server(GUESTS_SEARCHED // 100, guests=100) as (server, _):
        context = logged_in(browser, server)
        page = context.new_page()
        page.goto(server.url + "/vms")
        page.wait_for_function("document.querySelectorAll('[data-role=guest-row]').length > 0")
        took = [page.evaluate(KEYSTROKE, "guest-42"[:length]) for length in range(1, 9) for _ in range(3)]
        context.close()
    return row(f"search over {GUESTS_SEARCHED} guests, a keystroke", took, "ms", "≤ 50", 50)


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
