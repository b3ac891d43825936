"""Hostile text in every field that an agent can send: the pages show it and run nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from proxmon.payload import Tier
from tests.browser.conftest import DESKTOP, browser  # noqa: F401 - a fixture
from tests.builders import PAYLOADS, a_guest, a_message, a_wire_sample, iso
from tests.servers import Server

HOSTILE = (
    "\"'><img src=x onerror=struck()><svg onload=struck()>${struck()}{{struck()}}</script><script>struck()</script>"
    "javascript:struck() \u202eevil\u2066\x00\x1b[31m"
)
# What the pages compare with words of their own; anything else they show as it came.
KEPT = {"collected_at", "last_scrub_end", "end_at"}


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Give a server whose whole fleet is hostile."""
    running = Server(tmp_path / "data").start()
    yield running
    running.stop()


def poisoned(value: Any, key: str = "") -> Any:
    """Return a payload with hostile text instead of every text, and a hostile section beside the known ones."""
    if isinstance(value, dict):
        return {name: poisoned(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, key) for one in value]
    return HOSTILE if isinstance(value, str) and key not in KEPT else value


def hostile_message(number: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    samples = []
    for tier, make in PAYLOADS.items():
        payload = make()
        if tier is Tier.FAST:
            guest = a_guest(vmid=100, tags=["a"], lock="backup", template=True)
            payload["vms_runtime"]["vms"] = [guest, a_guest(vmid=101, status="stopped", type="lxc")]
        samples.append(a_wire_sample(tier.value, collected_at=iso(now), payload=poisoned(payload)))
        if number:  # on another host every section says why it failed
            samples[-1]["payload"] = {name: {"error": HOSTILE, "incomplete": HOSTILE} for name in payload}
    return json.loads(a_message(*samples, agent_version=HOSTILE[:60], interval_s=3600))


def test_no_field_of_a_sample_runs_in_a_page(own_server: Server, browser: Browser) -> None:  # noqa: F811
    for number in range(2):
        answer = own_server.post(own_server.add_host(f"pve-{number}"), hostile_message(number))
        assert answer.status_code == 200, answer.text
    context = browser.new_context(viewport=DESKTOP)
    cookies = own_server.log_in().cookies
    context.add_cookies([{"name": one.name, "value": one.value or "", "url": own_server.url} for one in cookies])
    page, struck = context.new_page(), list[str]()
    page.add_init_script("window.struck = () => document.documentElement.setAttribute('data-struck', '1');")
    page.on("dialog", lambda dialog: (struck.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: struck.append(str(error)))
    page.on("request", lambda request: request.url.endswith("/x") and struck.append(request.url))
    for path, ready in (
        ("/", "[data-role=host-card]"),
        ("/hosts/pve-0", "[data-section=findings]"),
        ("/hosts/pve-1", "[data-section=findings]"),
        ("/vms", "[data-role=guest-row]"),
        ("/admin/hosts", "text=pve-0"),
        (f"/vms?q={HOSTILE[:40]}", "[data-role=guest-search]"),
        (f"/?missing={HOSTILE[:60]}", "[data-role=host-card]"),
        (f"/login?next={HOSTILE[:60]}", "input[type=password]"),
    ):
        visit(page, own_server.url + path, ready)
        assert not struck, path
        assert page.get_attribute("html", "data-struck") is None, path
        assert page.locator("img[src=x], svg[onload]").count() == 0, path
    context.close()


def visit(page: Page, url: str, ready: str) -> None:
    page.goto(url)
    page.wait_for_selector(ready, state="attached")
    page.evaluate("() => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))")
