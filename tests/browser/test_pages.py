"""The pages in a real browser, as a person uses them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.builders import (
    a_fast_payload,
    a_guest,
    a_medium_payload,
    a_message,
    a_pool,
    a_slow_payload,
    a_wire_sample,
    iso,
)
from tests.servers import Server

OpenPage = Callable[..., Page]
NAMELESS = ("/admin/channels", "/admin/store")  # they do not name hosts
# From a small phone over tablets to a desktop.
WIDTHS = (320, PHONE["width"], 768, 820, 1024, 1180, DESKTOP["width"])
PATHS = ("/", "/vms", "/events", "/admin/channels", "/admin/hosts", "/admin/rules", "/admin/store")


def send(server: Server, token: str, **changes: Any) -> None:
    """Post one fast sample of now, and wait for its acknowledgement."""
    sample = a_wire_sample(collected_at=iso(datetime.now(UTC)), payload=a_fast_payload(**changes))
    assert server.post(token, a_message(sample)).status_code == 200


def send_all(server: Server, token: str, guests: list[dict[str, Any]] | None = None) -> None:
    """Post one sample of every tier."""
    moment = iso(datetime.now(UTC))
    named = [a_guest()] if guests is None else guests
    runtime = {"vms": [{key: value for key, value in guest.items() if key != "ips"} for guest in named]}
    detail = {"vms": [{"vmid": one["vmid"], "type": one["type"], "ips": one.get("ips", [])} for one in named]}
    assert server.post(
        token,
        a_message(
            a_wire_sample(collected_at=moment, payload=a_fast_payload(vms_runtime=runtime)),
            a_wire_sample("medium", collected_at=moment, payload=a_medium_payload(vms_detail=detail)),
            a_wire_sample("slow", collected_at=moment, payload=a_slow_payload()),
        ),
    ).ok


def card(page: Page, name: str) -> Locator:
    return page.locator(f"[data-role=host-card][data-host='{name}']")


def test_logging_in_leads_to_the_page_that_was_asked_for(open_page: OpenPage, server: Server) -> None:
    page = open_page("/vms?q=web", logged_in=False)
    expect(page).to_have_url(re.compile("/login"))
    page.context.set_extra_http_headers({})
    page.get_by_label("Password").fill(server.password)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/vms?q=web")
    expect(page.locator("[data-role=guest-search]")).to_have_value("web")


def test_a_wrong_password_is_said_and_asked_again(open_page: OpenPage) -> None:
    page = open_page("/", logged_in=False)
    open_page.watch.is_forgiving = True  # the browser logs the 401 as an error
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not the password")
    expect(page.get_by_label("Password")).to_be_focused()


def test_signing_out_ends_the_session(open_page: OpenPage, server: Server) -> None:
    page = open_page("/")
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    page.get_by_role("button", name="Sign out").first.click()
    expect(page).to_have_url(re.compile("/login"))
    page.goto(server.url + "/vms")
    expect(page).to_have_url(re.compile("/login"))


def test_a_card_turns_critical_when_a_pool_is_degraded(
    open_page: OpenPage, server: Server, fresh: tuple[str, str]
) -> None:
    name, token = fresh
    send(server, token)
    page = open_page("/")
    expect(card(page, name)).to_have_attribute("data-status", "ok")
    send(server, token, zfs_pools={"pools": [a_pool(health="DEGRADED")]})
    expect(card(page, name)).to_have_attribute("data-status", "critical")
    expect(card(page, name)).to_contain_text("rpool is DEGRADED")
    expect(card(page, name)).to_contain_text("Critical")


def test_a_card_turns_offline_when_the_token_is_rotated(
    open_page: OpenPage, server: Server, fresh: tuple[str, str]
) -> None:
    name, token = fresh
    send(server, token)
    page = open_page("/")
    expect(card(page, name)).to_have_attribute("data-status", "ok")
    assert server.ask("POST", f"/api/hosts/{name}/rotate").ok
    expect(card(page, name)).to_have_attribute("data-status", "offline")


def test_hosts_come_and_go_on_an_open_overview(open_page: OpenPage, server: Server) -> None:
    page = open_page("/")
    name = f"pve-{uuid.uuid4().hex[:8]}"
    page.wait_for_timeout(500)
    server.add_host(name)
    expect(card(page, name)).to_have_attribute("data-status", "offline")
    server.ask("DELETE", f"/api/hosts/{name}")
    expect(card(page, name)).to_have_count(0)


def test_a_card_leads_to_the_hosts_page_with_all_its_sections(
    open_page: OpenPage, server: Server, fresh: tuple[str, str]
) -> None:
    name, token = fresh
    send_all(server, token, [a_guest(name="nextcloud", ips=["10.1.2.3"])])
    page = open_page("/")
    card(page, name).get_by_role("link").first.click()
    expect(page).to_have_url(f"{server.url}/hosts/{name}")
    for section in ("metrics", "zpools", "snapshots", "storages", "guests", "system", "findings"):
        expect(page.locator(f"[data-section={section}]")).to_be_visible()
    expect(page.locator("[data-section=zpools]")).to_contain_text("mirror-0")
    expect(page.locator("[data-section=guests]")).to_contain_text("10.1.2.3")
    expect(page.locator("[data-section=system]")).to_contain_text("9.1.2")
    expect(page.locator("[data-section=findings]")).to_contain_text("warning from 80 %, critical above 90 %")


def test_the_hosts_page_follows_its_samples(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send(server, token)
    page = open_page(f"/hosts/{name}")
    expect(page.locator("[data-section=zpools]")).to_contain_text("ONLINE")
    send(server, token, zfs_pools={"pools": [a_pool(health="FAULTED")]})
    expect(page.locator("[data-section=zpools]")).to_contain_text("FAULTED")


def test_an_unknown_host_goes_home_with_a_message(open_page: OpenPage, server: Server) -> None:
    page = open_page("/hosts/nobody")
    expect(page).to_have_url(re.compile(rf"^{re.escape(server.url)}/(\?.*)?$"))
    expect(page.get_by_text("nobody")).to_be_visible()


def test_guests_are_found_by_part_of_an_ip_while_typing(
    open_page: OpenPage, server: Server, fresh: tuple[str, str]
) -> None:
    _, token = fresh
    marker = uuid.uuid4().hex[:6]
    guests = [
        a_guest(vmid=9001, name=f"web-{marker}", ips=["198.51.100.23"]),
        a_guest(vmid=9002, name=f"mail-{marker}", type="lxc", ips=["198.51.100.99"]),
    ]
    send_all(server, token, guests)
    page = open_page("/vms")
    search = page.locator("[data-role=guest-search]")
    rows = page.locator("[data-role=guest-row]").filter(has_text=marker)
    search.press_sequentially(marker)
    expect(rows).to_have_count(2)
    expect(page).to_have_url(re.compile(f"q={marker}"))
    search.fill("")
    search.press_sequentially("51.100.2")
    expect(rows).to_have_count(1)
    expect(rows).to_have_attribute("data-vmid", "9001")
    expect(rows).to_contain_text("198.51.100.23")


def test_a_name_that_is_markup_is_shown_as_text(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    evil = "<img src=x onerror=alert(1)>"
    send_all(server, token, [a_guest(name=evil, ips=[evil])])
    page = open_page("/vms?q=onerror")
    page.on("dialog", lambda dialog: pytest.fail("a guest's name ran as a script"))
    expect(page.locator("[data-role=guest-row]").first).to_contain_text(evil)
    page.goto(f"{server.url}/hosts/{name}")
    expect(page.locator("[data-section=guests]")).to_contain_text(evil)
    page.goto(f"{server.url}/?missing={evil}")
    expect(page.get_by_text("onerror=alert(1)")).to_be_visible()


def test_a_new_host_shows_its_token_once(open_page: OpenPage, server: Server) -> None:
    page = open_page("/admin/hosts")
    name = f"pve-{uuid.uuid4().hex[:8]}"
    page.get_by_label("Name").fill(name)
    page.keyboard.press("Enter")
    shown = page.locator("[data-role=new-token]")
    expect(shown).to_be_visible()
    expect(shown).to_contain_text("/agent/install.sh")
    token = re.search(r"[\w-]{43}", shown.inner_text())
    assert token is not None
    send(server, token.group())
    page.reload()
    expect(page.get_by_text(name)).to_be_visible()
    expect(page.locator("[data-role=new-token]")).to_be_hidden()
    assert token.group() not in page.content()


def test_a_bad_host_name_is_refused_in_words(open_page: OpenPage) -> None:
    page = open_page("/admin/hosts")
    page.get_by_label("Name").fill("<img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("1 to 63")


def test_rotating_and_deleting_ask_first(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send(server, token)
    page = open_page("/admin/hosts")
    row = page.locator("tr", has_text=name)
    row.get_by_role("button", name=re.compile("Rotate")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    assert server.host(name)["status"] == "ok"
    row.get_by_role("button", name=re.compile("Rotate")).click()
    dialog.get_by_role("button", name=re.compile("Rotate")).click()
    expect(page.locator("[data-role=new-token]")).to_be_visible()
    row.get_by_role("button", name=re.compile("Delete")).click()
    dialog.get_by_role("button", name=re.compile("Delete")).click()
    expect(row).to_have_count(0)
    assert server.ask("GET", f"/api/hosts/{name}").status_code == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_window_whatever_things_are_called(
    open_page: OpenPage, server: Server, path: str, scheme: str
) -> None:
    name = f"{uuid.uuid4().hex}{'W' * 63}"[:63]
    token = server.add_host(name)
    guest = a_guest(name="G" * 100, ips=["fe80:1234:1234:1234:1234:1234:1234:1234"] * 3)
    send_all(server, token, [guest])
    pools = {"pools": [a_pool(name="P" * 255, health="DEGRADED")]}
    send(server, token, zfs_pools=pools, vms_runtime={"vms": [guest]})
    page = open_page(path, viewport=PHONE, color_scheme=scheme)
    for address in (path, f"/hosts/{name}"):
        page.goto(server.url + address)
        expect(page.locator("html")).to_have_attribute("data-ready", "yes")
        if address not in NAMELESS:
            expect(page.get_by_role("main")).to_contain_text(name)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")  # charts follow the window
    server.ask("DELETE", f"/api/hosts/{name}")


def test_dark_follows_the_system_and_the_choice_is_kept(open_page: OpenPage) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    page = open_page("/", color_scheme="dark")
    dark = page.evaluate(background)
    page.get_by_role("button", name=re.compile("dark|light|theme", re.IGNORECASE)).click()
    light = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == light


def test_everything_can_be_reached_by_keyboard(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send(server, token)
    page = open_page("/")
    expect(card(page, name)).to_be_visible()
    for _ in range(300):  # other tests' hosts have cards as well
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement?.closest('[data-role=host-card]')?.dataset.host") == name:
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/hosts/{name}")


def test_the_past_is_shown_as_it_was_and_says_so(open_page: OpenPage, server: Server, fresh: tuple[str, str]) -> None:
    name, token = fresh
    send(server, token, zfs_pools={"pools": [a_pool(health="DEGRADED")]})
    moment = iso(datetime.now(UTC))
    send(server, token)
    page = open_page(f"/?at={moment}")
    expect(card(page, name)).to_have_attribute("data-status", "critical")
    expect(page.get_by_text("Back to live")).to_be_visible()


def test_a_page_comes_back_live_after_a_restart(own_server: Server, open_page: OpenPage) -> None:
    token = own_server.add_host("pve-01")
    send(own_server, token)
    page = open_page("/", on=own_server)
    open_page.watch.is_forgiving = True  # the browser logs the lost connection as an error
    expect(card(page, "pve-01")).to_have_attribute("data-status", "ok")
    own_server.stop()
    own_server.start()
    send(own_server, token, zfs_pools={"pools": [a_pool(health="DEGRADED")]})
    expect(card(page, "pve-01")).to_have_attribute("data-status", "critical", timeout=30_000)
    send(own_server, token)
    expect(card(page, "pve-01")).to_have_attribute("data-status", "ok")


def test_an_empty_fleet_says_what_to_do_next(own_server: Server, open_page: OpenPage) -> None:
    page = open_page("/", on=own_server)
    page.get_by_role("main").get_by_role("link", name=re.compile("Add|host", re.IGNORECASE)).first.click()
    expect(page).to_have_url(f"{own_server.url}/admin/hosts")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_long_page_has_links_to_its_sections(
    open_page: OpenPage, server: Server, fresh: tuple[str, str], viewport: dict[str, int]
) -> None:
    name, token = fresh
    guests = [a_guest(vmid=vmid) for vmid in range(100, 160)]
    send_all(server, token, guests)
    page = open_page(f"/hosts/{name}", viewport=viewport)
    jumps = page.get_by_role("navigation", name="Sections of this page")
    guests_link = jumps.get_by_role("link", name="Guests")
    guests_link.click()
    expect(guests_link).to_have_attribute("aria-current", "true")
    expect(page.locator("#h-guests")).to_be_in_viewport()
    expect(guests_link).to_be_in_viewport()
    bar, heading = jumps.bounding_box(), page.locator("#h-guests").bounding_box()
    assert bar is not None
    assert heading is not None
    assert heading["y"] >= bar["y"] + bar["height"]
    sections = page.locator(".host-grid > section").evaluate_all("all => all.map((one) => one.id)")
    assert sorted(sections) == sorted(link.removeprefix("#") for link in list_addresses(jumps))


def list_addresses(within: Locator) -> list[str]:
    return [link.get_attribute("href") or "" for link in within.get_by_role("link").all()]
