"""Real Chromium: pages that are watched for errors and for requests to foreign hosts."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Playwright, Request, expect, sync_playwright

from tests.servers import Server

# Chromium looks for its maker's servers at every start; a test must not depend on what answers there.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# How long a page may take on a machine that does much else at the same time.
PATIENCE_MS = 15_000
LAUNCHES = 3
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give Debian's Chromium; a machine without it fails here and does not skip.

    Playwright keeps an event loop running as long as it is open: one module long, so that other tests have theirs.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Chromium is missing: apt install chromium"
    with sync_playwright() as playwright:
        launched = launch(playwright, path)
        yield launched
        launched.close()


def launch(playwright: Playwright, path: str) -> Browser:
    """Start Chromium; one whose pages crash from the beginning is replaced, or tells what it was started with."""
    for _ in range(LAUNCHES):
        launched = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            context = launched.new_context()
            context.new_page().goto("about:blank")
            context.close()
        except Error as error:
            crash = error
            launched.close()
        else:
            return launched
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
    masked, places = signal.pthread_sigmask(signal.SIG_BLOCK, ()), (os.environ.get("TMPDIR"), Path.cwd())
    raise AssertionError(f"Chromium's pages crash ({crash}) with {limits}, {masked}, {places}")


class Watch:
    """What a page did that it must not: errors on the console, requests to other hosts."""

    def __init__(self) -> None:
        self.own_urls: tuple[str, ...] = ("data:", "blob:")
        self.faults: list[str] = []
        self.is_forgiving = False

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self.is_forgiving:
            self.faults.append(f"{message.type}: {message.text}")

    def on_error(self, error: Any) -> None:
        self.faults.append(f"uncaught: {error}")

    def on_request(self, request: Request) -> None:
        if not request.url.startswith(self.own_urls):
            self.faults.append(f"foreign request: {request.url}")


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Give a function that opens a page, logged in unless told otherwise; afterwards nothing may have gone wrong."""
    contexts: list[Any] = []
    watch = Watch()

    def open_page(path: str = "/", *, logged_in: bool = True, on: Server | None = None, **options: Any) -> Page:
        target = on or server
        watch.own_urls = (*watch.own_urls, target.url)
        context = browser.new_context(**({"viewport": DESKTOP} | options))
        contexts.append(context)
        if logged_in:
            cookies = target.log_in().cookies
            context.add_cookies([{"name": one.name, "value": one.value or "", "url": target.url} for one in cookies])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", watch.on_console)
        page.on("pageerror", watch.on_error)
        page.on("request", watch.on_request)
        page.goto(target.url + path)
        return page

    open_page.watch = watch  # pyright: ignore[reportFunctionMemberAccess]
    yield open_page
    for context in contexts:
        context.close()
    assert watch.faults == []


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Give a server that the test may stop; name it before ``open_page``, so that its pages are closed first."""
    running = Server(tmp_path / "data").start()
    yield running
    running.stop()


@pytest.fixture
def fresh(server: Server) -> tuple[str, str]:
    """Give name and token of a new host."""
    name = f"pve-{uuid.uuid4().hex[:8]}"
    return name, server.add_host(name)
