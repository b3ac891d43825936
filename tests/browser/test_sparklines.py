"""Sparklines in a real browser.

The past is written before Playwright's event loop runs, hence a module of its own and the order of the fixtures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.builders import iso
from tests.pasts import BEGIN, KEEP_EVERYTHING, WrittenPast
from tests.servers import Server

OpenPage = Callable[..., Page]


@pytest.fixture
def past_server(small_past: WrittenPast, tmp_path: Path) -> Iterator[Server]:
    """Give a server on three days of two hosts."""
    running = Server(small_past.copied_to(tmp_path / "data"), environment=KEEP_EVERYTHING).start()
    yield running
    running.stop()


def test_a_card_has_a_day_of_load_and_memory(past_server: Server, open_page: OpenPage) -> None:
    page = open_page(f"/?at={iso(BEGIN - timedelta(hours=1))}", on=past_server)
    first = page.locator("[data-role=host-card]").first.locator(".sparks svg")
    expect(first).to_have_count(2)
    for line, words in ((first.first, r"Load of the last 24 h: \d"), (first.last, r"Memory of the last 24 h: \d+ %")):
        expect(line).to_have_attribute("aria-label", re.compile(words))
        path = line.locator(".spark-line").first.get_attribute("d") or ""
        assert path.count("L") > 20
