"""What opening the overview of a fleet costs, and what a sample then sends to the open page and costs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from playwright.sync_api import Browser

from tests.servers import Server
from tools.bench.pages import CARDS, IS_LIVE, WATCH_CARD, a_server, live_overview, logged_in, open_overview, pid_of
from tools.bench.processes import cpu_seconds
from tools.bench.senders import Sender, a_payload
from tools.bench.table import Row, row

FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
OPENINGS, UPDATE_RUNS, UPDATES = 3, 5, 80
# Slower than the ten messages a second that a page is sent at most, so that each sample has one of its own.
UPDATE_RATE = 8.0
SENDERS = 10
CHANGED_CARDS = 5
# Each sample changes a card's load once.
COUNT_CHANGES = """() => {
  window.changes = 0;
  new MutationObserver(records => {
    window.changes += records.filter(record => record.target.matches(".card-facts > :first-child > dd")).length;
  }).observe(document.querySelector("[data-role=host-grid]"), {childList: true, subtree: true});
}"""
Hosts = list[tuple[str, str]]


def measure_opening(browser: Browser, hosts: int) -> list[Row]:
    """Measure opening the overview of a fleet, and what one sample then sends and costs."""
    with a_server(hosts) as (server, known):
        open_overview(logged_in(browser, server), server, hosts)[0].context.close()
        seconds, cpu, painted = [], [], []
        for _ in range(OPENINGS):
            context = logged_in(browser, server)
            before = cpu_seconds(pid_of(server))
            page, took = open_overview(context, server, hosts)
            cpu.append(cpu_seconds(pid_of(server)) - before)
            seconds.append(took)
            painted.append(page.evaluate(FIRST_PAINT) / 1000)
            context.close()
        senders = [Sender(server, token) for _, token in known[:SENDERS]]
        unseen = cpu_per_sample(server, senders)
        seen = cpu_per_update(browser, server, senders, hosts)
        sent = bytes_per_update(browser, server, known)
    is_large = hosts == 1000
    fleet = f"overview of {hosts} hosts"
    return [
        row(f"{fleet}: first paint", painted, "s", *(("≤ 1", 1.0) if is_large else ())),
        row(f"{fleet}: all cards in the page", seconds, "s"),
        row(f"{fleet}: server CPU", cpu, "s", *(("≤ 0.5", 0.5) if is_large else ())),
        row(f"{fleet}: bytes sent for one changed card", sent, "B", "≤ 1000", 1000),
        row(f"{fleet}, open: server CPU of a sample that changes a card", seen, "ms", "≤ 3", 3),
        row("… of the same sample, no page open", unseen, "ms"),
    ]


def cpu_per_update(browser: Browser, server: Server, senders: Sequence[Sender], hosts: int) -> list[float]:
    """Return the same while a page is open, whose cards the samples change."""
    page = live_overview(browser, server, hosts)
    page.wait_for_timeout(1000)
    page.evaluate(COUNT_CHANGES)
    spent = cpu_per_sample(server, senders)
    page.wait_for_function(f"window.changes === {SENDERS + UPDATE_RUNS * UPDATES}")
    page.context.close()
    return spent


def cpu_per_sample(server: Server, senders: Sequence[Sender]) -> list[float]:
    """Return all CPU of the server for each sample, in ms, of samples that would change a card."""
    pid, spent = pid_of(server), list[float]()
    send_changes(senders, range(SENDERS))
    for run in range(UPDATE_RUNS):
        before, first = cpu_seconds(pid), SENDERS + run * UPDATES
        send_changes(senders, range(first, first + UPDATES))
        spent.append((cpu_seconds(pid) - before) * 1000 / UPDATES)
    return spent


def send_changes(senders: Sequence[Sender], numbers: range) -> None:
    """Send at a steady rate, each host in turn; no host says anything twice."""
    began = time.perf_counter()
    for place, number in enumerate(numbers):
        senders[number % len(senders)].send(a_payload(number))
        time.sleep(max(0.0, began + (place + 1) / UPDATE_RATE - time.perf_counter()))


def bytes_per_update(browser: Browser, server: Server, hosts: Hosts) -> list[int]:
    """Return the websocket bytes that each of some cards took whose verdict changed."""
    context = logged_in(browser, server)
    page, frames = context.new_page(), list[int]()

    def count(payload: str | bytes) -> None:
        frames.append(len(payload))

    page.on("websocket", lambda socket: socket.on("framereceived", count))
    page.goto(server.url + "/")
    page.wait_for_function(f"{CARDS} >= {len(hosts)} && {IS_LIVE}")
    page.wait_for_timeout(1500)
    sizes: list[int] = []
    for name, token in hosts[:CHANGED_CARDS]:
        page.evaluate(WATCH_CARD, name)
        frames.clear()
        Sender(server, token).send(a_payload(health="DEGRADED"))
        page.evaluate("window.changedAt")
        sizes.append(sum(frames))
    context.close()
    return sizes
