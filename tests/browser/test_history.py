"""The past in a real browser: charts and time travel."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PHONE
from tests.browser.test_pages import card, send
from tests.builders import a_fast_payload, a_guest, a_message, a_pool, a_wire_sample, iso
from tests.servers import Server

OpenPage = Callable[..., Page]
CLOCK = re.compile("moment in the past")


def field_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def send_past(server: Server, token: str, hours: int = 3) -> None:
    """Post a fast sample for every minute of the last hours."""
    now = datetime.now(UTC)
    moments = [iso(now - timedelta(minutes=age)) for age in range(60 * hours, 0, -1)]
    samples = [a_wire_sample(collected_at=moment, payload=a_fast_payload()) for moment in moments]
    message = a_message(*samples, intervals_s={"fast": 60}, sent_at=iso(now))
    assert server.post(token, message).ok
    send(server, token)
    assert server.ask("POST", "/api/query", json={"sql": "SELECT 1"}).ok  # it waits until all tables have the samples


def chart(page: Page, name: str) -> Locator:
    return page.locator(f"[data-chart={name}]")


def drag(page: Page, plot: Locator, start: float, end: float) -> None:
    """Drag over a chart, from one share of its width to another."""
    box = plot.bounding_box()
    assert box is not None
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], height, steps=4)
    page.mouse.up()


def test_charts_appear_and_follow_a_posted_sample(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send_past(server, token)
    page = open_page(f"/hosts/{name}?range=1h")
    for one in ("load", "cpu", "memory", "zpools", "storages", "guest-cpu", "guest-memory"):
        chart(page, one).scroll_into_view_if_needed()
        expect(chart(page, one)).to_have_attribute("data-state", "ready")
        expect(chart(page, one).locator("canvas")).to_be_visible()
    expect(chart(page, "load").locator("b")).to_have_text("0.50")
    expect(chart(page, "memory").locator(".chart-legend")).to_contain_text("ARC")
    expect(chart(page, "guest-cpu").locator(".chart-legend")).to_contain_text("100 web-01")
    newer = a_fast_payload()["host"] | {"load1": 7.25, "cpu_percent": 88.0}
    page.wait_for_timeout(1000)
    send(server, token, host=newer)
    expect(chart(page, "load").locator(".chart-plot")).to_have_attribute(
        "aria-label", re.compile(r"from 0\.50 to [2-7]")
    )


def test_another_span_is_asked_for_and_kept_in_the_address(
    open_page: OpenPage, server: Server, fresh: tuple[str, str]
) -> None:
    name, token = fresh
    send_past(server, token)
    page = open_page(f"/hosts/{name}")
    spans = page.get_by_role("group", name="Span of the charts")
    expect(chart(page, "load")).to_have_attribute("data-state", "ready")
    before = page.locator("[data-role=range-text]").inner_text()
    spans.get_by_role("button", name="7 days").click()
    expect(spans.get_by_role("button", name="7 days")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-role=range-text]")).not_to_have_text(before)
    expect(page).to_have_url(re.compile("range=7d"))
    page.reload()
    expect(spans.get_by_role("button", name="7 days")).to_have_attribute("aria-pressed", "true")


def test_a_span_is_dragged_and_left_with_a_double_click(
    open_page: OpenPage, server: Server, fresh: tuple[str, str]
) -> None:
    name, token = fresh
    send_past(server, token)
    page = open_page(f"/hosts/{name}?range=1h")
    expect(chart(page, "cpu")).to_have_attribute("data-state", "ready")
    shown = page.locator("[data-role=range-text]")
    live = shown.inner_text()
    drag(page, chart(page, "cpu").locator(".u-over"), 0.25, 0.75)
    page.mouse.move(5, 5)
    back = page.get_by_role("button", name="Back to the span before")
    expect(back).to_be_visible()
    expect(shown).not_to_have_text(live)
    expect(chart(page, "load")).to_have_attribute("data-state", "ready")
    chart(page, "load").locator(".u-over").dblclick()
    expect(back).to_be_hidden()
    expect(page.get_by_role("button", name="One hour", exact=True)).to_have_attribute("aria-pressed", "true")


def test_the_crosshair_is_one_for_all_charts(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send_past(server, token)
    page = open_page(f"/hosts/{name}?range=1h")
    expect(chart(page, "zpools")).to_have_attribute("data-state", "ready")
    expect(chart(page, "load")).to_have_attribute("data-state", "ready")
    chart(page, "load").locator(".u-over").hover(position={"x": 100, "y": 40})
    lines = [chart(page, one).locator(".u-cursor-x").bounding_box() for one in ("load", "memory")]
    assert lines[0] is not None
    assert lines[1] is not None
    assert lines[0]["x"] == pytest.approx(lines[1]["x"], abs=1.5)
    expect(page.locator("[data-role=range-text]")).to_have_text(re.compile(r"\d\d:\d\d:\d\d UTC$"))


def test_a_span_without_samples_says_so(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    page = open_page(f"/hosts/{name}")
    expect(chart(page, "load")).to_have_attribute("data-state", "empty")
    send(server, token)
    expect(chart(page, "load")).to_have_attribute("data-state", "ready", timeout=10_000)
    for _ in range(4):
        page.get_by_role("button", name="Earlier").click()
    expect(chart(page, "load")).to_have_attribute("data-state", "empty")
    expect(chart(page, "load")).to_contain_text("No samples in this span")


def test_values_are_there_as_a_table_and_as_files(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send_past(server, token, hours=1)
    page = open_page(f"/hosts/{name}?range=1h")
    expect(chart(page, "zpools")).to_have_attribute("data-state", "ready")
    page.get_by_text("Values as a table and as a file").click()
    table = page.get_by_role("region", name="Values of the charts")
    expect(table).to_contain_text("rpool Capacity")
    expect(table.get_by_role("cell", name=re.compile(r"^4\sGiB"))).not_to_have_count(0)
    expect(table).to_contain_text(f"{4 * 2**30:,} B".replace(",", "\u202f"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename.startswith(f"{name}-20")
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("at,load1,")
    assert len(lines) > 50
    with page.expect_download() as download:
        page.get_by_role("link", name="Download Parquet").click()
    frame = pd.read_parquet(download.value.path())
    assert len(frame) > 50
    assert set(frame["arc_bytes"].dropna()) == {4 * 2**30}


def test_an_outage_is_shaded_and_its_moments_are_a_click_away(own_server: Server, open_page: OpenPage) -> None:
    token = own_server.add_host("pve-01")
    send(own_server, token)
    page = open_page("/hosts/pve-01?range=1h", on=own_server)
    marks = chart(page, "load").locator(".chart-mark")
    expect(marks).to_have_count(1)
    assert own_server.ask("POST", "/api/goodbye", token).status_code == 204
    expect(marks).to_have_attribute("aria-label", re.compile("2 changes, the last: Offline"))
    spans = page.evaluate(
        """async () => {
          const { Statuses } = await import(new URL("assets/chart-statuses.js", location.origin + "/"));
          const statuses = new Statuses();
          statuses.take({ first: "offline", changes: [{ at: 20, status: "ok" }, { at: 60, status: "offline" }] });
          statuses.add([{ at: 80, status: "warning" }, { at: 90, status: "offline" }, { at: 60, status: "offline" }]);
          const marks = statuses.marks(0, 100, 15).map(({ at, status, count }) => [at, status, count]);
          return [statuses.offline(10, 100), marks];
        }"""
    )
    assert spans == [[[10, 20], [60, 80], [90, 100]], [[20, "ok", 1], [60, "offline", 1], [90, "offline", 2]]]
    page.wait_for_timeout(1100)  # the moment that the mark names is the next whole second
    marks.click()
    expect(page).to_have_url(re.compile(r"/hosts/pve-01\?range=1h&at=20\d\d-.*Z$"))
    expect(page.locator(".host-title .pill")).to_have_text("Offline")


def test_one_guest_s_charts_are_chosen_by_its_name(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    guests = {"vms": [a_guest(), a_guest(vmid=101, name="db-01", type="lxc", cpu_percent=44.0)]}
    now = datetime.now(UTC)
    moments = [iso(now - timedelta(seconds=10 * age)) for age in range(30, 0, -1)]
    samples = [a_wire_sample(collected_at=at, payload=a_fast_payload(vms_runtime=guests)) for at in moments]
    assert server.post(token, a_message(*samples, sent_at=iso(now))).ok
    assert server.ask("POST", "/api/query", json={"sql": "SELECT 1"}).ok  # it waits until all tables have the samples
    page = open_page(f"/hosts/{name}?range=1h")
    chart(page, "guest-cpu").scroll_into_view_if_needed()
    legend = chart(page, "guest-cpu").locator(".chart-legend li")
    expect(legend).to_have_count(2)
    page.get_by_label("Guests in the charts").select_option("101 db-01")
    expect(legend).to_have_count(1)
    expect(legend).to_contain_text("44 %")
    page.get_by_text("Values as a table and as a file").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    header = download.value.path().read_text().splitlines()[0]
    assert "cpu_percent lxc/101" in header
    assert "qemu/100" not in header


def test_the_step_of_the_charts_is_told(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send_past(server, token)
    page = open_page(f"/hosts/{name}?range=7d")
    expect(page.locator("[data-role=range-text]")).to_have_text(re.compile(r"UTC · steps of \d+ min$"))


def test_a_gap_stays_a_gap(open_page: OpenPage, fresh: tuple[str, str]) -> None:
    name, _ = fresh
    page = open_page("/hosts/" + name)
    columns = page.evaluate(
        """async () => {
          const { History } = await import(new URL("assets/history.js", location.origin + "/"));
          const lines = [{ metric: "m", subject: "", mean: [1, 2, 3, 4] }];
          const history = new History({ since: -900, until: 900, resolution: 60, at: [0, 60, 600, 660], lines }, {});
          history.append(1200, [5]);
          const slow = new History({ since: 0, until: 5400, resolution: 60, at: [0, 1800, 3600, 5400], lines }, {});
          return [history.at, history.lines[0].mean, slow.lines[0].mean];
        }"""
    )
    assert columns == [[0, 60, 120, 600, 660, 720, 1200], [1, 2, None, 3, 4, None, 5], [1, 2, 3, 4]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_fit_a_phone(open_page: OpenPage, server: Server, fresh: tuple[str, str], scheme: str) -> None:
    name, token = fresh
    send_past(server, token, hours=1)
    page = open_page(f"/hosts/{name}?range=1h", viewport=PHONE, color_scheme=scheme)
    chart(page, "memory").scroll_into_view_if_needed()
    expect(chart(page, "memory")).to_have_attribute("data-state", "ready")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name=re.compile("dark|light", re.IGNORECASE)).click()
    expect(chart(page, "memory").locator("canvas")).to_be_visible()


def test_the_charts_of_a_past_page_end_at_its_moment(
    open_page: OpenPage, server: Server, fresh: tuple[str, str]
) -> None:
    name, token = fresh
    send_past(server, token)
    page = open_page("/")
    page.wait_for_timeout(1100)  # the address knows whole seconds, and the host has to be there at its moment
    at = datetime.now(UTC)
    page.goto(f"{server.url}/hosts/{name}?at={at:%Y-%m-%dT%H:%M:%SZ}&range=1h")
    expect(chart(page, "load")).to_have_attribute("data-state", "ready")
    expect(page.locator("[data-role=range-text]")).to_contain_text(re.compile(rf"– (\d+ \w+ )?{at:%H:%M} UTC"))


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


@pytest.mark.parametrize("path", ["/admin/hosts", "/admin/channels", "/admin/rules", "/admin/store"])
def test_a_page_without_a_past_says_that_it_shows_the_present(open_page: OpenPage, server: Server, path: str) -> None:
    page = open_page(f"{path}?at=2026-01-01T00:00Z")
    expect(page.get_by_text("has no past: this is now, not 2026-01-01 00:00 UTC.")).to_be_visible()
    expect(page.locator(".past")).to_have_count(0)


def test_a_host_s_page_before_it_was_added_says_so(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send(server, token)
    page = open_page(f"/hosts/{name}?at=2026-01-01T00:00Z")
    expect(page.get_by_text(f"{name} was not there yet")).to_be_visible()
    page.get_by_role("link", name="Back to live").click()
    expect(page).to_have_url(f"{server.url}/hosts/{name}")
    expect(page.locator("[data-section=metrics]")).to_be_visible()
