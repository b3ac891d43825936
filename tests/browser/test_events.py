"""Events in a real browser: on a host's page and for the fleet."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PHONE
from tests.browser.test_pages import send
from tests.builders import a_pool, iso
from tests.servers import Server

OpenPage = Callable[..., Page]
DEGRADED = {"pools": [a_pool(health="DEGRADED")]}


def rows(page: Page, text: str = "") -> Locator:
    return page.locator("[data-role=event]", has_text=text)


def test_a_host_s_events_appear_by_themselves_and_lead_to_their_moment(
    open_page: OpenPage, server: Server, fresh: tuple[str, str]
) -> None:
    name, token = fresh
    send(server, token)
    page = open_page(f"/hosts/{name}")
    page.locator("[data-section=events]").scroll_into_view_if_needed()
    expect(rows(page, "Connected")).to_have_count(1)
    expect(rows(page, "Host added")).to_have_count(1)
    send(server, token, zfs_pools=DEGRADED)
    expect(rows(page, "Now critical")).to_have_count(1)
    expect(rows(page, "Zpool health: critical")).to_contain_text("rpool is DEGRADED")
    page.wait_for_timeout(1100)  # the moment that the link names is the next whole second
    send(server, token)
    rows(page, "Now critical").get_by_role("link").click()
    expect(page).to_have_url(re.compile(rf"/hosts/{name}\?at=20\d\d-.*Z$"))
    expect(page.locator(".host-title .pill")).to_have_text("Critical")
    page.locator("[data-section=events]").scroll_into_view_if_needed()
    expect(rows(page, "Now critical")).to_have_count(1)
    expect(rows(page, "Now ok")).to_have_count(0)


def test_events_of_a_kind_alone(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send(server, token)
    page = open_page(f"/events?host={name}")
    expect(rows(page, "Connected")).to_have_count(1)
    page.get_by_role("button", name="Hosts and agents").click()
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("Host added")
    expect(page).to_have_url(re.compile(rf"host={name}&kind=hosts"))
    page.get_by_role("button", name="Scrubs").click()
    expect(page.get_by_text(f"Nothing of this kind has been recorded of {name}.")).to_be_visible()
    send(server, token, zfs_pools=DEGRADED)
    page.get_by_role("button", name="All").click()
    expect(rows(page, "Now critical")).to_have_count(1)
    expect(page.get_by_label("Host", exact=True)).to_have_value(name)


def test_older_events_are_a_step_away(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    for number in range(8):
        send(server, token, zfs_pools=DEGRADED if number % 2 else {"pools": [a_pool()]})
    page = open_page(f"/hosts/{name}")
    page.locator("[data-section=events]").scroll_into_view_if_needed()
    expect(rows(page, "Now critical").first).to_be_visible()
    expect(rows(page, "Host added")).to_have_count(0)
    older = page.get_by_role("button", name="Older events")
    older.click()
    expect(rows(page, "Host added")).to_have_count(1)
    expect(older).to_be_hidden()


def test_one_steps_from_event_to_event_by_mouse_and_keyboard(
    open_page: OpenPage, server: Server, fresh: tuple[str, str]
) -> None:
    name, token = fresh
    send(server, token)
    page = open_page(f"/hosts/{name}")
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    page.wait_for_timeout(1100)  # the address knows whole seconds
    send(server, token, zfs_pools=DEGRADED)
    expect(page.locator(".host-title .pill")).to_have_text("Critical")
    page.wait_for_timeout(1100)
    page.get_by_role("button", name="Previous event", exact=True).click()
    expect(page.locator(".past")).to_be_visible()
    expect(page.locator(".host-title .pill")).to_have_text("Critical")
    page.locator("body").press("p")
    expect(page.locator(".host-title .pill")).to_have_text("OK")
    page.get_by_role("button", name="Next event", exact=True).click()
    expect(page.locator(".host-title .pill")).to_have_text("Critical")
    page.locator("body").press("n")
    expect(page).to_have_url(f"{server.url}/hosts/{name}")
    page.locator("body").press("p")
    expect(page.locator(".past")).to_be_visible()
    page.locator("body").press("l")
    expect(page).to_have_url(f"{server.url}/hosts/{name}")


def test_before_the_first_event_one_is_told_so(open_page: OpenPage, server: Server) -> None:
    page = open_page("/?at=2026-01-01T00:00:00Z")
    expect(page.locator("html")).to_have_attribute("data-link", "past")
    page.locator("body").press("p")
    expect(page.get_by_role("alert")).to_have_text("Nothing was recorded before.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_events_of_a_past_moment_fit_a_phone(open_page: OpenPage, server: Server, scheme: str) -> None:
    at = iso(datetime.now(UTC) - timedelta(days=400))
    page = open_page(f"/events?at={at}", viewport=PHONE, color_scheme=scheme)
    expect(page.get_by_text("Nothing has happened yet.")).to_be_visible()
    expect(page.get_by_text("You are looking at the past")).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
