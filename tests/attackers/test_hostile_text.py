"""Hostile text in every field that an agent can send: the pages show it and run nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from proxmon.alerts.links import LinkSigner
from proxmon.payload import Tier
from tests.attackers.payloads import a_whole_payload
from tests.browser.conftest import DESKTOP, browser  # noqa: F401 - a fixture
from tests.builders import PAYLOADS, a_guest, a_message, a_wire_sample, iso
from tests.counts import Count
from tests.servers import Server
from tests.waiting import wait_for

HOSTILE = (
    "\"'><img src=x onerror=struck()><svg onload=struck()>${struck()}{{struck()}}</script><script>struck()</script>"
    "javascript:struck() \u202eevil\u2066\x00\x1b[31m"
)
# What the pages compare with words of their own; anything else they show as it came.
KEPT = {"collected_at", "last_scrub_end", "start_at", "end_at", "ends_at"}
PAGES = (
    ("/", "[data-role=host-card]"),
    ("/hosts/pve-0", "[data-section=findings]"),
    ("/hosts/pve-1", "[data-section=findings]"),
    ("/hosts/pve-2", "[data-section=findings]"),
    ("/vms", "[data-role=guest-row]"),
    ("/alerts", "[data-role=alert]"),
    ("/events", "[data-role=event]"),
    ("/admin/hosts", "text=pve-0"),
    ("/admin/channels", "h1"),
    ("/admin/rules", "[data-rule]"),
    ("/admin/store", "[data-section=tables]"),
    (f"/vms?q={HOSTILE[:40]}", "[data-role=guest-search]"),
    (f"/alerts?q={HOSTILE[:40]}", "h1"),
    (f"/?missing={HOSTILE[:60]}", "[data-role=host-card]"),
    (f"/login?next={HOSTILE[:60]}", "input[type=password]"),
)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Give a server whose whole fleet is hostile; a host that leaves is lost at once."""
    running = Server(tmp_path / "data", environment={"PROXMON_OFFLINE_GRACE_SECONDS": "0"}).start()
    yield running
    running.stop()


def poisoned(value: Any, text: str = HOSTILE, key: str = "") -> Any:
    """Return a payload with hostile text instead of every text, and in every object under a name of its own."""
    if isinstance(value, dict):
        return {name: poisoned(one, text, name) for name, one in value.items()} | {HOSTILE: text}
    if isinstance(value, list):
        return [poisoned(one, text, key) for one in value]
    return text if isinstance(value, str) and key not in KEPT else value


def hostile_message(payloads: dict[Tier, dict[str, Any]], text: str = HOSTILE) -> dict[str, Any]:
    """Return a message with hostile sections, and some beside those that the server knows."""
    unknown = {"error": text, "incomplete": text, "list": [text]}
    now, samples = iso(datetime.now(UTC)), list[dict[str, Any]]()
    for tier, known in payloads.items():
        payload = poisoned(known, text) | {HOSTILE: unknown, HOSTILE[1:]: unknown}
        samples.append(a_wire_sample(tier.value, collected_at=now, payload=payload))
    return json.loads(a_message(*samples, agent_version=HOSTILE[:60], interval_s=3600))


def whole_payloads() -> dict[Tier, dict[str, Any]]:
    payloads = {tier: a_whole_payload(tier) for tier in Tier}
    guest = a_guest(vmid=100, tags=["a"], lock="backup")
    payloads[Tier.FAST]["vms_runtime"]["vms"] += [guest, a_guest(vmid=101, status="stopped", type="lxc")]
    return payloads


def common_payloads() -> dict[Tier, dict[str, Any]]:
    return {tier: make() for tier, make in PAYLOADS.items()}


def failed_payloads() -> dict[Tier, dict[str, Any]]:
    """Return payloads in which every section says why it failed."""
    return {
        tier: {name: {"error": "", "incomplete": ""} for name in payload} for tier, payload in whole_payloads().items()
    }


class Victim:
    """A page in a browser, and what ran in it that must not."""

    def __init__(self, server: Server, page: Page) -> None:
        self.server, self.page, self.struck, self.looks = server, page, list[str](), 0
        page.add_init_script("window.struck = () => document.documentElement.setAttribute('data-struck', '1');")
        page.on("dialog", lambda dialog: (self.struck.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: self.struck.append(str(error)))
        page.on("request", lambda request: request.url.endswith("/x") and self.struck.append(request.url))

    def visit(self, path: str, ready: str) -> None:
        """Open a page and all that is closed in it."""
        self.page.goto(self.server.url + path)
        self.page.wait_for_selector(ready, state="attached")
        self.page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        self.assert_unharmed(path)

    def assert_unharmed(self, where: str) -> None:
        """Wait until what was shown last would have run."""
        self.looks += 1
        self.page.evaluate("() => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))")
        if self.page.get_attribute("html", "data-struck") is not None:
            self.struck.append("struck()")
        assert not self.struck, where
        assert self.page.locator("img[src=x], svg[onload]").count() == 0, where


@pytest.fixture
def victim(own_server: Server, browser: Browser, count: Count) -> Iterator[Victim]:  # noqa: F811
    """Give the owner's page."""
    context = browser.new_context(viewport=DESKTOP)
    cookies = own_server.log_in().cookies
    context.add_cookies([{"name": one.name, "value": one.value or "", "url": own_server.url} for one in cookies])
    victim = Victim(own_server, context.new_page())
    yield victim
    count("hostile text in every field of a sample", pages_looked_at=victim.looks, scripts_that_ran=len(victim.struck))
    context.close()


def test_no_field_of_a_sample_runs_in_a_page(own_server: Server, victim: Victim) -> None:
    tokens = [own_server.add_host(f"pve-{number}") for number in range(3)]
    for token, payloads in zip(tokens, (whole_payloads(), failed_payloads(), common_payloads()), strict=True):
        for text in ("before " + HOSTILE, HOSTILE):  # of which events tell, and with the second alerts open
            answer = own_server.post(token, hostile_message(payloads, text))
            assert answer.status_code == 200, answer.text
    assert own_server.ask("POST", "/api/goodbye", tokens[2], json={"reason": HOSTILE}).status_code == 204
    alerts = wait_for(lambda: own_server.ask("GET", "/api/alerts?state=open").json()["alerts"])
    assert {"pve-0", "pve-2"} <= {alert["host"] for alert in alerts}
    for path, ready in PAGES:
        victim.visit(path, ready)
    for alert in alerts:
        victim.visit(link_of(own_server, alert), "button[type=submit]")
        victim.page.click("button[type=submit]")
        victim.page.wait_for_selector("[role=status]")
        victim.assert_unharmed("acknowledged")
    victim.visit("/alerts?state=acknowledged", "[data-role=alert]")


def link_of(server: Server, alert: dict[str, Any]) -> str:
    """Return the path of the link that a message about an alert has."""
    signer = LinkSigner((server.data / "links.key").read_text().strip())
    return f"/acknowledge/{signer.sign(alert['id'], datetime.now(UTC))}"


@pytest.mark.parametrize("path", ["/", "/hosts/pve-0", "/vms", "/alerts", "/events"])
def test_no_sample_runs_in_a_page_that_is_open_when_it_comes(own_server: Server, victim: Victim, path: str) -> None:
    token = own_server.add_host("pve-0")
    for text in ("before", "before"):
        assert own_server.post(token, hostile_message(whole_payloads(), text)).ok
    victim.visit(path, dict(PAGES)[path])
    assert own_server.post(token, hostile_message(whole_payloads(), HOSTILE + " live-7e1f")).ok
    victim.page.wait_for_selector("text=live-7e1f", state="attached")
    victim.assert_unharmed(path)
