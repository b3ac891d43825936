"""The pages of a copy, which is only read: what they show and what they do not offer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_pages import card, send_all
from tests.servers import CopyServer, Server

OpenPage = Callable[..., Page]
WRITING = re.compile("^(Add (host|channel)|Rotate|Delete|Compact|Save|Rehearse|Change|New silence|Acknowledge)")


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[CopyServer]:
    """Give a server on the data directory that another one left."""
    first = Server(tmp_path / "data").start()
    send_all(first, first.add_host("pve-01"))
    first.stop()
    running = CopyServer(tmp_path / "beside", first.data)
    running.start()
    yield running
    running.stop()


def test_a_copy_says_what_it_is_and_offers_nothing_that_writes(copied: CopyServer, open_page: OpenPage) -> None:
    page = open_page("/", on=copied)
    expect(card(page, "pve-01")).to_be_visible()
    expect(page.locator(".past")).to_contain_text("Copy, as of")
    for path in ("/admin/hosts", "/admin/channels", "/admin/rules", "/admin/store"):
        page.goto(copied.url + path)
        expect(page.get_by_text("This is a copy, which is only read")).to_be_visible()
        expect(page.locator("html")).to_have_attribute("data-link", "past")
        expect(page.get_by_role("main").get_by_role("button", name=WRITING)).to_have_count(0)
