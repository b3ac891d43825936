"""The pages without a browser: what they show first, and what a change sends."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc

from dashboards.admin import AdminPage
from dashboards.components import Part, Rows
from dashboards.events import EventsPage
from dashboards.guests import GuestsPage
from dashboards.host import HostPage
from dashboards.live import Page
from dashboards.login import login_page
from dashboards.overview import OverviewPage
from dashboards.pages import PAGES
from dashboards.shell import page_template
from proxmon.auth import IssuedToken
from proxmon.board import PastBoard
from proxmon.bus import Changes
from proxmon.errors import ConflictError
from proxmon.fleet import FleetSnapshot
from tests.builders import NOW, a_fast_payload, a_guest, a_host, a_sample, a_snapshot
from tests.dashboards.parts import a_monitor

HOSTS = tuple(a_snapshot(host=a_host(id=number, name=f"pve-{number:02}")) for number in (1, 2, 3))


def sent(page: Page, changes: Changes | None) -> list[dict[str, Any]]:
    return list(page.refresh(changes))


def accept(monitor: Any, host_id: int, **payload: object) -> Changes:
    sample = a_sample(host_id=host_id, payload=a_fast_payload(**payload), collected_at=NOW)
    monitor.board.fleet.accept(host_id, [sample], NOW)
    monitor.board._judge(monitor.board.fleet.find(host_id))
    return Changes(frozenset({host_id}))


def test_a_changed_host_sends_only_its_changed_fields() -> None:
    monitor = a_monitor(*HOSTS)
    page = OverviewPage(monitor=monitor)
    page.context()
    (message,) = sent(page, accept(monitor, 2, host={"load1": 3.25}))
    (card,) = message["put"]
    assert (card["id"], card["load"]) == (2, 3.25)
    assert "name" not in card
    assert len(json.dumps(message)) < 1000


def test_a_sample_that_changes_nothing_to_see_sends_nothing() -> None:
    monitor = a_monitor(*HOSTS)
    page = OverviewPage(monitor=monitor)
    page.context()
    assert sent(page, accept(monitor, 2)) == []


@pytest.mark.parametrize("at", [None, NOW - timedelta(days=9)])
def test_the_cards_in_sight_are_given_their_sparklines(at: datetime | None) -> None:
    page = OverviewPage(monitor=a_monitor(*HOSTS), at=at)
    heard: list[dict[str, Any]] = []
    page._send = heard.extend  # type: ignore[method-assign]
    asyncio.run(page.receive({"to": "cards", "sparklines": [1, 2, "x"]}))
    ((host_id, load, memory),) = heard[0]["sparklines"]
    assert (host_id, load[-1], memory[-1]) == (1, 0.5, 25)
    assert load[:-1] == [None] * 47


def test_a_deleted_host_leaves_the_overview() -> None:
    monitor = a_monitor(*HOSTS)
    page = OverviewPage(monitor=monitor)
    page.context()
    monitor.board.fleet.remove(2)
    assert sent(page, Changes(frozenset({2}), is_fleet_changed=True)) == [{"to": "cards", "remove": [2]}]


def test_a_host_s_page_sends_the_sections_that_differ() -> None:
    monitor = a_monitor(*HOSTS)
    page = HostPage(monitor=monitor, host_name="pve-02")
    page.context()
    assert sent(page, Changes(frozenset({1}))) == []
    (message,) = sent(page, accept(monitor, 2, host={"load1": 3.25, "mem_total_bytes": 1}))
    assert set(message["html"]) == {"metrics"}


def test_a_host_that_vanishes_leads_home() -> None:
    page = HostPage(monitor=a_monitor(*HOSTS), host_name="gone")
    page.context()
    assert sent(page, None) == [{"to": "leave", "address": "/?missing=gone"}]


def test_a_changed_guest_sends_its_row_alone() -> None:
    guests = [a_guest(vmid=number, name=f"web-{number}") for number in (100, 101)]
    monitor = a_monitor(a_snapshot(a_sample(payload=a_fast_payload(vms_runtime={"vms": guests}))))
    page = GuestsPage(monitor=monitor)
    page.context()
    stopped = [guests[0], guests[1] | {"status": "stopped"}]
    (message,) = sent(page, accept(monitor, 1, vms_runtime={"vms": stopped}))
    assert message["put"] == [{"key": "1/qemu/101", "run_state": "stopped"}]


def test_a_guest_that_is_gone_is_removed() -> None:
    monitor = a_monitor(a_snapshot(a_sample(host_id=2), host=a_host(id=2)))
    page = GuestsPage(monitor=monitor)
    page.context()
    (message,) = sent(page, accept(monitor, 2, vms_runtime={"vms": []}))
    assert message["remove"] == ["2/qemu/100"]


def test_rows_of_others_do_not_vanish_with_a_host_s_change() -> None:
    rows = Rows([{"key": "1/a"}, {"key": "2/b"}])
    assert rows.replace([], among=lambda key: key.startswith("1/")) == {"remove": ["1/a"]}


def test_a_past_page_is_read_like_a_live_one_and_does_not_move() -> None:
    monitor = a_monitor(*HOSTS)
    page = OverviewPage(monitor=monitor, at=NOW - timedelta(hours=1))
    assert page.context()["cards"].state["loading"]  # type: ignore[attr-defined]
    heard: list[dict[str, Any]] = []
    page._send = heard.extend  # type: ignore[method-assign]

    async def open_and_change() -> None:
        await page._start()
        heard.clear()
        page._push(Changes(frozenset({1})))
        page._stop(None)

    asyncio.run(open_and_change())
    assert [message["to"] for message in heard] in ([], ["link"])
    assert page.board is not monitor.board


def test_a_closed_page_hears_nothing_more() -> None:
    monitor = a_monitor(*HOSTS)
    page = OverviewPage(monitor=monitor)
    page._send = lambda messages: None  # type: ignore[method-assign]

    async def open_and_close() -> None:
        await page._start()
        assert len(monitor.bus) == 1
        page._stop(None)

    asyncio.run(open_and_close())
    assert len(monitor.bus) == 0


class Registry:
    """A registry that knows one host."""

    async def add(self, name: str) -> IssuedToken:
        if name == "taken":
            raise ConflictError("Choose another name: there is a host taken already.")
        return IssuedToken(name, "t0ken")


def asked(message: dict[str, Any]) -> dict[str, Any]:
    monitor = a_monitor()
    monitor.hosts = Registry()
    page = AdminPage(monitor=monitor)
    heard: list[dict[str, Any]] = []
    page._send = heard.extend  # type: ignore[method-assign]
    asyncio.run(page.receive(message))
    return heard[0]["answer"]


def test_a_new_token_comes_with_the_command_to_install_the_agent() -> None:
    answer = asked({"action": "add", "name": " pve-09 "})
    assert (answer["name"], answer["token"]) == ("pve-09", "t0ken")
    assert "install.sh" in answer["command"]
    assert "t0ken" not in answer["command"]


def test_a_refused_name_is_explained_in_the_registry_s_words() -> None:
    assert asked({"action": "add", "name": "taken"})["error"].startswith("Choose another name")


def test_an_unheard_of_action_does_nothing() -> None:
    assert "error" in asked({"action": "explode", "name": "x"})


def test_the_state_of_a_part_cannot_end_its_script() -> None:
    html = Part("guests", "guest-search.js", {"name": "</script><img src=x onerror=alert(1)>"}).__html__()
    assert "</script><img" not in html
    assert html.count("</script>") == 1


@pytest.mark.parametrize("kind", [OverviewPage, GuestsPage, EventsPage, AdminPage])
def test_a_page_stands_in_the_frame(kind: type[Page]) -> None:
    with set_curdoc(Document()):
        frame = page_template(kind(monitor=a_monitor(*HOSTS)))._render_variables["frame"]
    for part in ('aria-label="Main"', 'aria-current="page"', "Skip to content", 'action="/logout"', 'data-part="link"'):
        assert part in frame


def test_a_past_page_says_so_and_leads_back() -> None:
    with set_curdoc(Document()):
        page = HostPage(monitor=a_monitor(*HOSTS), host_name="pve-01", at=NOW)
        frame = page_template(page)._render_variables["frame"]
    assert "You are looking at the past" in frame
    assert "As of 2026-11-22 20:00 UTC" in frame
    assert 'href="/hosts/pve-01" data-travel="live"' in frame
    assert 'href="/vms?at=2026-11-22T20%3A00%3A00Z"' in frame


def test_a_host_that_was_not_there_yet_says_since_when_it_is() -> None:
    monitor = a_monitor(*HOSTS)
    (message,) = sent(a_page_of_an_empty_past(monitor, "pve-01"), None)
    assert message["absent"][0] == "pve-01 was not there yet"
    assert "added at 2026-11-21 20:00 UTC" in message["absent"][1]
    (message,) = sent(a_page_of_an_empty_past(monitor, "nobody"), None)
    assert "no host “nobody”" in message["absent"][0]


def a_page_of_an_empty_past(monitor: Any, name: str) -> HostPage:
    at = NOW - timedelta(days=9)
    page = HostPage(monitor=monitor, host_name=name, at=at)
    page.board = PastBoard(FleetSnapshot(at=at, is_live=False, hosts=()), monitor.settings.rules)
    return page


def test_only_pages_with_a_past_let_one_pick_a_moment() -> None:
    with set_curdoc(Document()):
        frames = [
            page_template(kind(monitor=a_monitor(*HOSTS)))._render_variables["frame"]
            for kind in (OverviewPage, AdminPage)
        ]
    assert ['data-part="travel"' in frame for frame in frames] == [True, False]


def test_the_pages_have_the_contract_s_paths() -> None:
    assert [page.path for page in PAGES] == [
        "/",
        "/hosts/{name}",
        "/vms",
        "/alerts",
        "/events",
        "/admin/channels",
        "/admin/hosts",
        "/admin/rules",
        "/admin/store",
    ]


def test_the_login_page_escapes_what_it_is_given() -> None:
    html = login_page("/login", '/"><script>', "<input name=_xsrf>", "<b>wrong", "/mon")
    assert "<input name=_xsrf>" in html
    assert '"><script>' not in html
    assert "&lt;b&gt;wrong" in html
    assert 'name="password"' in html
    assert 'src="/mon/assets/theme.js?v=' in html
