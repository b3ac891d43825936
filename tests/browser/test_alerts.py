"""The page of alerts in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.test_pages import send
from tests.builders import a_pool
from tests.counterparts import a_webhook
from tests.servers import Server

OpenPage = Callable[..., Page]
BROKEN = {"zfs_pools": {"pools": [a_pool(health="DEGRADED")]}}


def break_pool(server: Server, token: str) -> None:
    for _ in range(3):
        send(server, token, **BROKEN)


def test_an_alert_appears_by_itself_in_list_header_and_tab(own_server: Server, open_page: OpenPage) -> None:
    token = own_server.add_host("pve-01")
    page = open_page("/alerts", on=own_server)
    expect(page.get_by_role("heading", name="All quiet")).to_be_visible()
    expect(page.locator("[data-role=alert-count]")).to_contain_text("No alerts")
    break_pool(own_server, token)
    alert = page.locator("[data-role=alert][data-host='pve-01']")
    expect(alert).to_contain_text("rpool is DEGRADED")
    expect(page.locator("[data-role=alert-count] b").first).to_have_text("1")
    expect(page).to_have_title(re.compile(r"^\(1 critical\) Alerts"))
    alert.locator("summary").click()
    expect(alert.get_by_text("critical unless ONLINE")).to_be_visible()
    expect(alert.locator(".moments li")).to_have_count(1)
    alert.get_by_role("link", name="Open pve-01").click()
    expect(page).to_have_url(re.compile("/hosts/pve-01"))


def test_filters_stay_in_the_address(server: Server, open_page: OpenPage, fresh: tuple[str, str]) -> None:
    name, token = fresh
    break_pool(server, token)
    page = open_page(f"/alerts?q={name}")  # other tests' hosts have alerts too, and a page shows so many
    alert = page.locator(f"[data-role=alert][data-host='{name}']")
    expect(alert).to_be_visible()
    page.get_by_role("button", name="Warning").click()
    expect(alert).to_be_hidden()
    expect(page).to_have_url(re.compile("severity=warning"))
    page.get_by_role("button", name="Warning").click()
    page.get_by_role("searchbox").fill("")
    page.get_by_role("searchbox").fill(name)
    expect(page.locator("[data-role=alert]")).to_have_count(1)
    page.reload()
    expect(page.locator("[data-role=alert]")).to_have_count(1)
    page.get_by_role("button", name="Ended").click()
    expect(alert).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone(server: Server, open_page: OpenPage, fresh: tuple[str, str], scheme: str) -> None:
    break_pool(server, fresh[1])
    page = open_page(f"/alerts?q={fresh[0]}", viewport=PHONE, color_scheme=scheme)
    alert = page.locator(f"[data-role=alert][data-host='{fresh[0]}']")
    alert.locator("summary").click()
    expect(alert.locator(".moments")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_alert_is_acknowledged_and_a_host_is_silenced(own_server: Server, open_page: OpenPage) -> None:
    break_pool(own_server, own_server.add_host("pve-01"))
    page = open_page("/alerts", on=own_server)
    alert = page.locator("[data-role=alert][data-host='pve-01']")
    alert.locator("summary").click()
    alert.get_by_role("button", name="Silence…").click()
    page.locator("select[name=scope]").select_option(label="everything on pve-01")
    page.get_by_role("button", name="Silence", exact=True).click()
    expect(page.locator("[data-role=silence]")).to_contain_text("pve-01")
    expect(page.locator("[data-role=alert-count]")).to_contain_text("No alerts")
    page.get_by_role("button", name="End the silence").click()
    expect(page.locator("[data-role=silence]")).to_have_count(0)
    alert.get_by_role("button", name="Acknowledge…").click()
    page.get_by_label("Why").fill("disk is ordered")
    page.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(alert).to_be_hidden()
    page.get_by_role("button", name="Acknowledged").click()
    expect(alert).to_contain_text("disk is ordered")
    expect(page.locator("[data-role=alert-count]")).to_contain_text("No alerts")


NOTICES = """
window.notices = [];
window.Notification = class extends EventTarget {
  static permission = "default";
  static async requestPermission() { return (this.permission = "granted"); }
  constructor(title, { body }) { super(); window.notices.push(`${title}: ${body}`); }
};
"""


def test_a_desktop_is_notified_once_and_only_when_somebody_asked_for_it(
    own_server: Server, open_page: OpenPage
) -> None:
    token = own_server.add_host("pve-01")
    page = open_page("/alerts", on=own_server)
    page.add_init_script(NOTICES)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    page.get_by_role("button", name="Notify me here").click()
    expect(page.get_by_role("button", name="Notices are on")).to_be_visible()
    break_pool(own_server, token)
    expect(page.locator("[data-role=alert]")).to_have_count(1)
    page.wait_for_function("window.notices.length > 0")
    assert page.evaluate("window.notices") == ["pve-01: critical: rpool is DEGRADED"]
    page.get_by_role("button", name="Notices are on").click()
    expect(page.get_by_role("button", name="Notify me here")).to_be_visible()
    break_pool(own_server, own_server.add_host("pve-02"))
    expect(page.locator("[data-role=alert]")).to_have_count(2)
    assert page.evaluate("window.notices.length") == 1


def test_the_timeline_shows_an_alert_as_a_bar_that_leads_to_it(own_server: Server, open_page: OpenPage) -> None:
    token = own_server.add_host("pve-01")
    page = open_page("/alerts?state=closed", on=own_server)
    expect(page.get_by_text("No alert in this time.")).to_be_visible()
    break_pool(own_server, token)
    bar = page.locator(".strip-bar")
    expect(bar).to_have_count(1)
    expect(bar).to_have_accessible_name(re.compile("^pve-01: rpool is DEGRADED, from "))
    bar.focus()
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(re.compile("state=closed"))
    alert = page.locator("[data-role=alert][data-host='pve-01']")
    expect(alert.locator(".moments li")).to_have_count(1)


def test_a_channel_is_added_and_tested_and_its_address_is_nowhere_in_the_page(
    own_server: Server, open_page: OpenPage
) -> None:
    page = open_page("/alerts", on=own_server)
    page.get_by_role("link", name="Channels").click()
    expect(page.get_by_role("heading", name="Nobody is told yet")).to_be_visible()
    with a_webhook() as hook:
        page.get_by_role("button", name="Add channel…").click()
        page.get_by_role("textbox", name="Name", exact=True).fill("hook")
        page.get_by_label("Address").fill(hook.url)
        page.get_by_role("button", name="Add channel", exact=True).click()
        channel = page.locator("[data-role=channel][data-name=hook]")
        channel.get_by_role("button", name="Test").click()
        expect(page.get_by_role("status").filter(has_text="hook accepted a test message.")).to_be_visible()
        assert [message["title"] for message in hook.got] == ["[test] proxmon"]
        hook.status = 500
        channel.get_by_role("button", name="Test").click()
        expect(page.get_by_role("status").filter(has_text="The test of hook failed")).to_be_visible()
    assert "swordfish" not in page.content()
    channel.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete channel").click()
    expect(channel).to_have_count(0)


def test_a_channel_is_paused_and_resumed_and_the_page_of_alerts_says_so(
    own_server: Server, open_page: OpenPage
) -> None:
    token = own_server.add_host("pve-01")
    with a_webhook() as hook:
        own_server.ask("POST", "/api/channels", json={"name": "hook", "url": hook.url})
        alerts, page = open_page("/alerts", on=own_server), open_page("/admin/channels", on=own_server)
        expect(alerts.locator("[data-role=paused-channels]")).to_be_hidden()
        channel = page.locator("[data-role=channel][data-name=hook]")
        channel.get_by_role("button", name="Pause").click()
        expect(channel.get_by_text("Paused", exact=True)).to_be_visible()
        expect(alerts.locator("[data-role=paused-channels]")).to_have_text("Messages wait: the channel hook is paused.")
        break_pool(own_server, token)
        expect(channel).to_contain_text("1 alert waiting to be told")
        assert hook.got == []
        for opened in (alerts, page):
            opened.close()
        own_server.stop()
        own_server.start()
        alerts, page = open_page("/alerts", on=own_server), open_page("/admin/channels", on=own_server)
        channel = page.locator("[data-role=channel][data-name=hook]")
        expect(channel).to_contain_text("1 alert waiting to be told")
        channel.get_by_role("button", name="Resume").click()
        expect(alerts.locator("[data-role=paused-channels]")).to_be_hidden()
        (message,) = hook.wait(1)
        assert "rpool is DEGRADED" in message["title"]
