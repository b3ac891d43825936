"""Open pages outlive what happens to the server, and a sleep of their own."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import requests
from playwright.sync_api import Page, Request, expect

from tests.builders import a_fast_payload, a_message, a_pool, a_wire_sample, iso
from tests.counts import Count
from tests.servers import Server

IS_LONG = bool(os.environ.get("PROXMON_SOAK"))
OPEN_PAGES = 50 if IS_LONG else 6
PATHS = ("/", "/hosts/pve-01", "/vms", "/alerts")
# Fifty pages of one browser load at once on cores that other tests keep busy as well.
LATER = 300_000 if IS_LONG else 60_000

# Each status that the card ever had, kept beyond the page.
NOTE_STATUSES = """() => {
  const card = document.querySelector('[data-role=host-card][data-host="pve-01"]');
  const note = () => sessionStorage.setItem("seen", `${sessionStorage.getItem("seen") ?? ""} ${card.dataset.status}`);
  note();
  new MutationObserver(note).observe(card, {attributes: true, attributeFilter: ["data-status"]});
}"""

OpenPage = Callable[..., Page]


def send(server: Server, token: str, health: str = "ONLINE") -> None:
    payload = a_fast_payload(zfs_pools={"pools": [a_pool(health=health)]})
    sample = a_wire_sample(collected_at=iso(datetime.now(UTC)), payload=payload)
    assert server.post(token, a_message(sample)).status_code == 200


def status(page: Page) -> Any:
    return page.locator('[data-role=host-card][data-host="pve-01"]')


def test_a_restart_under_many_open_pages_brings_each_of_them_back(
    own_server: Server, open_page: OpenPage, count: Count
) -> None:
    token = own_server.add_host("pve-01")
    send(own_server, token)
    first = open_page("/", on=own_server)
    open_page.watch.is_forgiving = True  # pyright: ignore[reportFunctionMemberAccess] - the lost connection is logged
    pages = [first]
    for number in range(1, OPEN_PAGES):
        page = first.context.new_page()
        page.goto(own_server.url + PATHS[number % len(PATHS)])
        pages.append(page)
    for page in pages:
        expect(page.locator("html")).to_have_attribute("data-link", "live", timeout=LATER)
    own_server.stop()
    own_server.start()
    send(own_server, token, "DEGRADED")
    for page in pages:
        page.bring_to_front()
        expect(page.locator("html")).to_have_attribute("data-link", "live", timeout=LATER)
        count("a restart under open pages", pages_that_came_back=1)
    send(own_server, token, "DEGRADED")  # again: with many pages the host may have been silent for too long meanwhile
    for page in pages[:: len(PATHS)]:
        expect(status(page)).to_have_attribute("data-status", "critical", timeout=LATER)
    assert own_server.ask("GET", "/healthz").ok


def a_live_overview(server: Server, open_page: OpenPage) -> tuple[Page, str]:
    """Return an open overview of a new host that is ok, and the host's token; what the browser logs is forgiven."""
    token = server.add_host("pve-01")
    send(server, token)
    page = open_page("/", on=server)
    open_page.watch.is_forgiving = True  # pyright: ignore[reportFunctionMemberAccess] - of the lost connection
    expect(status(page)).to_have_attribute("data-status", "ok")
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    return page, token


def renderers(page: Page) -> list[int]:
    """The ids of the processes that draw the browser's pages and run their scripts."""
    assert page.context.browser is not None
    session: Any = page.context.browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return [process["id"] for process in processes if process["type"] == "renderer"]


@contextmanager
def asleep(page: Page) -> Iterator[None]:
    """Let a page sleep. One that Playwright drives counts as seen, so Chromium freezes none: its processes stop."""
    sleeping = renderers(page)
    for process in sleeping:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in sleeping:
            os.kill(process, signal.SIGCONT)


def test_a_tab_that_slept_while_the_server_was_replaced_shows_what_is_now(
    own_server: Server, open_page: OpenPage
) -> None:
    page, token = a_live_overview(own_server, open_page)
    loads: list[str] = []

    def note_load(request: Request) -> None:
        if request.is_navigation_request():
            loads.append(request.url)

    with asleep(page):
        page.on("request", note_load)
        own_server.stop()
        own_server.start()
        send(own_server, token, "DEGRADED")
        page.wait_for_timeout(3000)
        assert loads == []
    expect(status(page)).to_have_attribute("data-status", "critical", timeout=LATER)
    assert own_server.url + "/" in loads


def test_a_tab_whose_login_ended_while_it_slept_leads_to_the_login_and_shows_nothing_new(
    own_server: Server, open_page: OpenPage
) -> None:
    page, token = a_live_overview(own_server, open_page)
    page.evaluate(NOTE_STATUSES)
    own = {one.get("name", ""): one.get("value", "") for one in page.context.cookies()}
    with asleep(page):
        assert requests.post(own_server.url + "/logout", cookies=own, timeout=30).ok
        send(own_server, token, "DEGRADED")
        page.wait_for_timeout(3000)
    expect(page).to_have_url(re.compile(r"/login\?next=%2F$"), timeout=LATER)
    assert page.evaluate("sessionStorage.getItem('seen')") == " ok"
    page.get_by_label("Password").fill(own_server.password)
    page.keyboard.press("Enter")
    expect(status(page)).to_have_attribute("data-status", "critical", timeout=LATER)


def test_a_page_comes_back_to_a_server_that_can_store_nothing(own_server: Server, open_page: OpenPage) -> None:
    page = open_page("/", on=own_server)
    open_page.watch.is_forgiving = True  # pyright: ignore[reportFunctionMemberAccess] - the lost connection is logged
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    page.evaluate("window.isFirst = true")
    answers = [("text/html", "<h1>503 Service Temporarily Unavailable</h1>")]
    page.route("**/healthz", lambda route: route.fulfill(status=503, content_type=answers[0][0], body=answers[0][1]))
    own_server.stop()
    own_server.start()
    # A proxy says so: the server is away.
    expect(page.locator("html")).to_have_attribute("data-link", "lost", timeout=LATER)
    page.wait_for_timeout(3000)
    assert page.evaluate("window.isFirst")
    # The server itself says so: its disk is full, and its pages are there.
    answers[0] = ("application/json; charset=UTF-8", '{"status": "unavailable"}')
    expect(page.locator("html")).to_have_attribute("data-link", "live", timeout=LATER)
    assert not page.evaluate("window.isFirst")
