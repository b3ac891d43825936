"""``make screenshots``: the README's pictures, and with ``--all`` every page in every look, from the demo."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import BrowserContext, sync_playwright

from proxmon.control import read_control
from tests.browser.conftest import ARGUMENTS, DESKTOP, PHONE

SETTLE_MS = 2500
FULL_FLEET_SECONDS = 6
README = (
    ("overview-light", "/", "light", DESKTOP),
    ("overview-dark", "/", "dark", DESKTOP),
    ("overview-phone", "/", "dark", PHONE),
    ("host-dark", "/hosts/{worst}", "dark", DESKTOP),
    ("guests-light", "/vms?q=10.", "light", DESKTOP),
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
    "login": "/login",
}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("directory", type=Path, help="where to put the pictures")
    parser.add_argument("--hosts", type=int, default=8, help="how many hosts the demo has (8)")
    parser.add_argument("--all", action="store_true", help="every page at both widths, light and dark")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    wanted = list_all() if options.all else list(README)
    with a_demo(options.hosts) as (url, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        for name, path, scheme, viewport in wanted:
            look = {"color_scheme": scheme, "viewport": viewport, "device_scale_factor": 1 if options.all else 2}
            target = options.directory / f"{name}.png"
            take(browser.new_context(**look), (url, password), path, target, is_whole=options.all)
        browser.close()


def list_all() -> list[tuple[str, str, str, dict[str, int]]]:
    """List every page in every look."""
    looks = [(scheme, width) for scheme in ("light", "dark") for width in (DESKTOP, PHONE)]
    return [
        (f"{page}-{width['width']}-{scheme}", path, scheme, width)
        for page, path in PATHS.items()
        for scheme, width in looks
    ]


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


def take(context: BrowserContext, demo: tuple[str, str], path: str, target: Path, *, is_whole: bool) -> None:
    """Take one picture of a page of the demo, whose address and password are given."""
    url, password = demo
    page = context.new_page()
    page.goto(f"{url}/login")
    if path != "/login":
        page.fill("input[name=password]", password)
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-role=host-card]")
        worst = page.locator("[data-role=host-card]").first.get_attribute("data-host") or ""
        page.goto(url + re.sub("{worst}", worst, path))
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=target, full_page=is_whole)
    context.close()


if __name__ == "__main__":
    main()
