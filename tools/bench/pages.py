"""What the measurements of pages share: a browser, a server with hosts, and pages that are open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, DESKTOP
from tests.servers import Server
from tools.bench.senders import a_body, a_payload

CARDS = "document.querySelectorAll('[data-role=host-card]').length"
IS_LIVE = "document.documentElement.dataset.link === 'live'"
# The page itself notes when its card changed: a poll from outside would measure the poll. The clock of both is the
# machine's; the page's drops what is below a millisecond, hence one more.
WATCH_CARD = """name => {
  const card = document.querySelector(`[data-role=host-card][data-host='${name}']`);
  window.changedAt = new Promise(resolve => new MutationObserver(() => resolve(Date.now() + 1))
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
    """Give a server with that many hosts, each with a fast sample, and their names and tokens."""
    with TemporaryDirectory(prefix="proxmon-bench-") as directory:
        server = Server(Path(directory) / "data").start()
        try:
            names = [f"pve-{number:04d}" for number in range(hosts)]
            with ThreadPoolExecutor(8) as pool:
                tokens = list(pool.map(server.add_host, names))
                list(pool.map(lambda token: post(server, token, a_body(a_payload())), tokens))
            yield server, list(zip(names, tokens, strict=True))
        finally:
            server.stop()


def post(server: Server, token: str, body: bytes) -> None:
    """Send a message as one of many hosts, which has no connection yet."""
    answer = server.post(token, body)
    assert answer.status_code == 200, answer.text


def pid_of(server: Server) -> int:
    """Return the process that serves."""
    assert server.process is not None
    return server.process.pid


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


def live_overview(browser: Browser, server: Server, hosts: int) -> Page:
    """Return an overview in a window of its own, once the server's news reach it; whoever asks closes the window."""
    page, _ = open_overview(logged_in(browser, server), server, hosts)
    page.wait_for_function(IS_LIVE)
    return page
