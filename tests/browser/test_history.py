"""The past in a real browser: time travel."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.test_pages import card, send
from tests.builders import a_pool, iso
from tests.servers import Server

OpenPage = Callable[..., Page]
CLOCK = re.compile("moment in the past")


def field_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def test_a_moment_is_picked_and_left_again(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send(server, token, zfs_pools={"pools": [a_pool(health="DEGRADED")]})
    page = open_page("/?q=pve")
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    page.wait_for_timeout(1100)  # the field knows whole seconds
    moment = datetime.now(UTC)
    send(server, token)
    page.get_by_role("button", name=CLOCK).click()
    page.get_by_label("Moment, in UTC").fill(field_text(moment))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=pve&at=20\d\d-.*Z$"))
    expect(page.get_by_text(f"As of {moment:%Y-%m-%d %H:%M} UTC")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-link", "past")
    expect(card(page, name)).to_have_attribute("data-status", "critical")
    assert "at=" in (card(page, name).get_by_role("link").get_attribute("href") or "")
    page.get_by_role("link", name="Back to live").click()
    expect(page).to_have_url(f"{server.url}/?q=pve")
    expect(card(page, name)).to_have_attribute("data-status", "ok")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_steps_through_time_on_a_phone(open_page: OpenPage, server: Server, scheme: str) -> None:
    now = datetime.now(UTC)
    page = open_page(f"/vms?at={iso(now - timedelta(hours=30))}", viewport=PHONE, color_scheme=scheme)
    banner = page.locator(".past")
    expect(banner).to_contain_text("30 h ago")
    banner.get_by_role("button", name="One day later").click()
    expect(banner).to_contain_text("6 h ago")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    banner.get_by_role("button", name="One day later").click()
    expect(page).to_have_url(f"{server.url}/vms")


def test_a_moment_that_has_not_come_is_refused_in_words(open_page: OpenPage, server: Server) -> None:
    ahead = datetime.now(UTC) + timedelta(days=2)
    page = open_page(f"/?at={iso(ahead)}")
    expect(page.get_by_text("has not come yet; this is the present")).to_be_visible()
    page.get_by_role("button", name=CLOCK).click()
    page.get_by_label("Moment, in UTC").fill(field_text(ahead))
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That moment has not come yet.")
    page.goto(f"{server.url}/?at=yesterday")
    expect(page.get_by_text("“yesterday” is no time; this is the present")).to_be_visible()


def test_a_host_s_page_before_it_was_added_says_so(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send(server, token)
    page = open_page(f"/hosts/{name}?at=2026-01-01T00:00Z")
    expect(page.get_by_text(f"{name} was not there yet")).to_be_visible()
    page.get_by_role("link", name="Back to live").click()
    expect(page).to_have_url(f"{server.url}/hosts/{name}")
    expect(page.locator("[data-section=metrics]")).to_be_visible()
