"""Sparklines and axes in a real browser.

The past is written before Playwright's event loop runs, hence a module of its own and the order of the fixtures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
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


TEXTS_AND_EDGES = """
  window.drawn = [];
  const draw = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    if (this.textAlign === "center") drawn.push([text, x + this.measureText(text).width / 2, this.canvas.width]);
    return draw.call(this, text, x, y);
  };
"""


@pytest.mark.parametrize("seconds", [20, 300])
def test_no_label_of_a_time_axis_is_cut(past_server: Server, open_page: OpenPage, seconds: int) -> None:
    midnight = BEGIN.replace(hour=0, minute=0, second=0, microsecond=0)
    page = open_page(on=past_server, viewport=PHONE)
    page.add_init_script(TEXTS_AND_EDGES)
    page.goto(f"{past_server.url}/hosts/pve-lab-07?at={iso(midnight + timedelta(seconds=seconds))}&range=1h")
    page.locator("[data-chart=load]").scroll_into_view_if_needed()
    expect(page.locator("[data-chart=load]")).to_have_attribute("data-state", "ready")
    drawn = page.evaluate("drawn")
    assert len({text for text, *_ in drawn}) >= 3, drawn
    assert [text for text, end, width in drawn if end > width] == []
    assert any(":" not in text for text, *_ in drawn) == (seconds >= 300), "the day's own label, where it fits"
