"""What an open page does when its connection fails: it comes back, leads to the login, or says what to set."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.hiding_proxy import hiding_proxy
from tests.servers import WAYS, Server

OpenPage = Callable[..., Page]


def enter(page: Page, server: Server, host: str) -> None:
    """Log the page's browser in at another address of the server."""
    cookies = server.log_in().cookies
    page.context.add_cookies([{"name": one.name, "value": one.value or "", "url": f"http://{host}"} for one in cookies])


def test_behind_a_proxy_that_hides_the_host_login_and_page_say_what_to_set(
    own_server: Server, open_page: OpenPage
) -> None:
    watch: Any = open_page.watch  # pyright: ignore[reportFunctionMemberAccess]
    with hiding_proxy(own_server.port) as proxy:
        page = open_page("/login", on=own_server, logged_in=False)
        watch.own_urls = (*watch.own_urls, f"http://{proxy.host}")
        watch.is_forgiving = True  # the browser logs what is refused
        page.goto(f"http://{proxy.host}/login")
        page.get_by_label("Password").fill(own_server.password)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text(f"PROXMON_ORIGINS={proxy.host}")
        enter(page, own_server, proxy.host)
        page.goto(f"http://{proxy.host}/")
        expect(page.locator("[data-part=notice]")).to_contain_text(f"set PROXMON_ORIGINS={proxy.host}")
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert f"PROXMON_ORIGINS={proxy.host}" in own_server.log()


def test_a_host_that_the_settings_name_is_our_own(tmp_path: Path, open_page: OpenPage) -> None:
    watch: Any = open_page.watch  # pyright: ignore[reportFunctionMemberAccess]
    server = Server(tmp_path / "data").start()
    with hiding_proxy(server.port) as proxy:
        server.stop()
        server.environment = {"PROXMON_ORIGINS": f"http://{proxy.host}/"}
        server.start()
        page = open_page("/login", on=server, logged_in=False)
        watch.own_urls = (*watch.own_urls, f"http://{proxy.host}")
        page.goto(f"http://{proxy.host}/")
        page.get_by_label("Password").fill(server.password)
        page.keyboard.press("Enter")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        expect(page.get_by_text("PROXMON_ORIGINS")).to_have_count(0)
        page.close()
    server.stop()


def test_signing_out_in_one_tab_leads_the_others_to_the_login(own_server: Server, open_page: OpenPage) -> None:
    page = open_page("/vms", on=own_server)
    watch: Any = open_page.watch  # pyright: ignore[reportFunctionMemberAccess]
    watch.is_forgiving = True  # the browser logs the refused websocket
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    other = page.context.new_page()
    other.goto(own_server.url + "/")
    other.get_by_role("button", name="Sign out").first.click()
    expect(page).to_have_url(re.compile(r"/login\?next=%2Fvms"))


def test_a_new_password_leads_open_pages_to_the_login(own_server: Server, open_page: OpenPage) -> None:
    page = open_page("/", on=own_server)
    watch: Any = open_page.watch  # pyright: ignore[reportFunctionMemberAccess]
    watch.is_forgiving = True
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    own_server.stop()
    own_server.password, own_server.password_hash = "another one", ""
    own_server.start()
    expect(page).to_have_url(re.compile("/login"))


def test_below_a_prefix_pages_links_and_the_install_line_stay_there(tmp_path: Path, open_page: OpenPage) -> None:
    server = Server(tmp_path / "data", way=WAYS[1], arguments=("--prefix", "mon")).start()
    page = open_page("/vms?q=web", on=server, logged_in=False)  # whose watch calls every other path a foreign request
    assert server.url.endswith("/mon")
    page.get_by_label("Password").fill(server.password)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/vms?q=web")
    for name in ("Overview", "Alerts", "Manage hosts"):
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.get_by_label("Name").fill("pve-01")
    page.keyboard.press("Enter")
    expect(page.locator("[data-role=new-token]")).to_contain_text("/mon/agent/install.sh")
    page.goto(f"{server.url}/hosts/pve-01")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    addresses = page.evaluate(
        "[...document.querySelectorAll('[href], [src], [action]')].map((e) => e.href || e.src || e.action)"
    )
    assert [one for one in addresses if not one.startswith(server.url)] == []
    page.get_by_role("button", name="Sign out").first.click()
    expect(page).to_have_url(f"{server.url}/login")
    page.close()
    server.stop()
