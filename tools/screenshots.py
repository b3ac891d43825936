"""``make screenshots``: the README's pictures, and with ``--all`` every page in every look, from the demo."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, sync_playwright

from proxmon.control import read_control
from tests.browser.conftest import ARGUMENTS, DESKTOP, PHONE
from tests.servers import Server

SETTLE_MS = 2500
FULL_FLEET_SECONDS = 6
MAX_HEIGHT = 12_000
# Each picture's name, and the page's path.
Pictures = Sequence[tuple[str, str]]
Look = tuple[str, dict[str, int]]
README: tuple[tuple[Look, Pictures], ...] = (
    (("light", DESKTOP), [("overview-light", "/"), ("guests-light", "/vms?q=10.")]),
    (("dark", DESKTOP), [("overview-dark", "/"), ("host-dark", "/hosts/{worst}")]),
    (("dark", PHONE), [("overview-phone", "/")]),
)
PATHS = {
    "overview": "/",
    "host": "/hosts/{worst}",
    "alerts": "/alerts",
    "events": "/events",
    "guests": "/vms",
    "channels": "/admin/channels",
    "rules": "/admin/rules",
    "admin": "/admin/hosts",
    "store": "/admin/store",
    "missing": "/nowhere",
    "login": "/login",
}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("directory", type=Path, help="where to put the pictures")
    parser.add_argument("--hosts", type=int, default=8, help="how many hosts the demo has (8); 0 is a new server")
    parser.add_argument("--all", action="store_true", help="every page at both widths, light and dark")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    with a_server(options.hosts) as demo, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        for look, pictures in list_all() if options.all else README:
            take(browser, demo, look, pictures, options.directory, is_whole=options.all)
        browser.close()


def list_all() -> Iterator[tuple[Look, Pictures]]:
    """List every page in every look."""
    for scheme in ("light", "dark"):
        for size in (DESKTOP, PHONE):
            yield (scheme, size), [(f"{page}-{size['width']}-{scheme}", path) for page, path in PATHS.items()]


def a_server(hosts: int) -> AbstractContextManager[tuple[str, str]]:
    """Give address and password of a running demo, or of a server that has no host yet."""
    return a_demo(hosts) if hosts else a_new_server()


@contextmanager
def a_new_server() -> Iterator[tuple[str, str]]:
    """Give address and password of a server that has no host yet."""
    with TemporaryDirectory(prefix="proxmon-shots-") as directory:
        server = Server(Path(directory) / "data").start()
        try:
            yield server.url, server.password
        finally:
            server.stop()


@contextmanager
def a_demo(hosts: int) -> Iterator[tuple[str, str]]:
    """Give address and password of a running demo."""
    with TemporaryDirectory(prefix="proxmon-shots-") as directory:
        command = [sys.executable, "-m", "proxmon", "demo", "--port", "0", "--data", directory, "--hosts", str(hosts)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert process.stdout is not None
            password = next(line.split(": ")[1].strip() for line in process.stdout if "Password" in line)
            while (control := read_control(Path(directory))) is None:
                time.sleep(0.1)
            time.sleep(FULL_FLEET_SECONDS + hosts / 40)
            yield control.url, password
        finally:
            process.terminate()
            process.wait()


def take(
    browser: Browser, demo: tuple[str, str], look: Look, pictures: Pictures, directory: Path, *, is_whole: bool
) -> None:
    """Take pictures of a demo's pages in one look, the page of its first host among them."""
    (url, password), (scheme, size) = demo, look
    scale = 1 if is_whole else 2
    context = browser.new_context(color_scheme=scheme, viewport=size, device_scale_factor=scale)  # pyright: ignore
    page = context.new_page()
    worst = log_in(page, url, password)
    for name, path in pictures:
        if path == "/login":
            context.clear_cookies()
        page.set_viewport_size(size)  # pyright: ignore
        page.goto(url + path.replace("{worst}", worst))
        page.wait_for_timeout(SETTLE_MS)
        if is_whole:
            show_whole(page, size)
        page.screenshot(path=directory / f"{name}.png")
    context.close()


def show_whole(page: Page, size: dict[str, int]) -> None:
    """Make the window as high as the page: what is drawn once it is seen is drawn."""
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(max(height, size["height"]), MAX_HEIGHT)})
    page.wait_for_timeout(SETTLE_MS)


def log_in(page: Page, url: str, password: str) -> str:
    """Log in and return the name of the first host on the overview, or nothing."""
    page.goto(f"{url}/login")
    page.fill("input[name=password]", password)
    page.keyboard.press("Enter")
    card = page.locator("[data-role=host-card]").first
    card.or_(page.locator(".empty")).first.wait_for()
    return card.get_attribute("data-host") or "" if card.count() else ""


if __name__ == "__main__":
    main()
