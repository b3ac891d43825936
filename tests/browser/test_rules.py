"""The page of rules in a real browser: changed from the list, rehearsed, saved, and effective at once."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.test_pages import send
from tests.builders import a_pool
from tests.servers import Server

OpenPage = Callable[..., Page]


def test_a_rule_is_changed_rehearsed_and_saved_and_the_light_follows(own_server: Server, open_page: OpenPage) -> None:
    token = own_server.add_host("pve-01")
    send(own_server, token, zfs_pools={"pools": [a_pool(capacity_percent=70)]})
    page = open_page("/admin/rules", on=own_server)
    save, rehearse = page.locator("[data-action=save]"), page.locator("[data-action=rehearse]")
    expect(save).to_be_disabled()
    row = page.locator("[data-rule=zpool_capacity]")
    row.locator("summary").click()
    row.get_by_role("button", name="Change…").click()
    page.locator("dialog [name=subject]").fill("rpool")
    page.locator("dialog [name=warning_percent]").fill("60")
    page.get_by_role("button", name="Put into the draft").click()
    expect(page.locator("#rules-text")).to_have_value('[[zpool_capacity]]\npool = "rpool"\nwarning_percent = 60\n')
    expect(save).to_be_disabled()
    rehearse.click()
    expect(page.locator("[data-role=rehearsal] h3")).to_be_visible(timeout=60_000)
    save.click()
    expect(page.get_by_text("The rules are saved and hold from now on.")).to_be_visible()
    expect(row.locator(".rule-values tr[data-own=true]")).to_contain_text("rpool")
    page.goto(f"{own_server.url}/")
    expect(page.locator("[data-role=host-card]")).to_have_attribute("data-status", "warning")


def test_mistakes_are_told_by_line_while_one_writes_and_nothing_is_saved(
    own_server: Server, open_page: OpenPage
) -> None:
    page = open_page("/admin/rules", on=own_server)
    page.locator("#rules-text").fill("[[scrub_age]]\nmax_days = '<b>x</b>'")
    expect(page.locator("#rules-check")).to_contain_text("line 2: scrub_age.max_days: Write a number from 0")
    expect(page.locator("#rules-check b")).to_have_count(0)
    expect(page.locator("[data-action=rehearse]")).to_be_disabled()
    page.get_by_role("button", name="Discard changes").click()
    expect(page.locator("#rules-text")).to_have_value("")
