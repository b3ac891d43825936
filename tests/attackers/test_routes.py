"""Every route and websocket with every kind of credential: a route that is not in the table fails the first test."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import panel as pn
import pytest
import requests
from tornado.web import RequestHandler

from dashboards.server import make_server
from proxmon.config import Settings
from proxmon.runtime import make_monitor
from storage import Store
from tests.attackers.cookies import cookie_of, id_of, is_open, key_of, signed
from tests.attackers.route_table import CHANGING, TABLE, USES, Access, Use
from tests.attackers.wire import KEY, LocalServer
from tests.contract.test_login import shake_hands
from tests.counts import Count
from tests.servers import Server

BEARERS = ("wrong", "revoked", "host", "rotated", "reader", "admin")
COOKIES = ("forged", "aged", "renamed", "unsigned", "unknown", "ended", "session")
KINDS = ("none", *BEARERS, *COOKIES)
ALLOWED = {
    Access.EVERYBODY: KINDS,
    Access.HOST: ("host",),
    Access.READER: ("reader", "admin", "session"),
    Access.ADMIN: ("admin", "session"),
    Access.SESSION: ("session",),
    Access.SOCKET: ("session",),
    Access.LINK: (),
}
REFUSALS = {
    Access.HOST: (401,),
    Access.READER: (401,),
    Access.ADMIN: (401, 403),
    Access.SESSION: (302, 401, 403),
    Access.LINK: (401,),
}


@pytest.fixture(scope="module")
def credentials(server: Server) -> dict[str, dict[str, str]]:
    """Give every kind of credential as the headers of a request."""
    host = server.add_host("pve-routes")
    rotated = server.add_host("pve-rotated")
    assert server.ask("POST", "/api/hosts/pve-rotated/rotate").ok
    tokens = {
        name: server.ask("POST", "/api/tokens", json={"name": f"routes-{name}", "role": role}).json()["token"]
        for name, role in (("reader", "reader"), ("admin", "admin"), ("revoked", "admin"))
    }
    assert server.ask("DELETE", "/api/tokens/routes-revoked").status_code == 204
    session, ended = server.log_in(), server.log_in()
    cookies = no_sessions(server, cookie_of(session)) | {"session": cookie_of(session), "ended": cookie_of(ended)}
    assert ended.post(server.url + "/logout", headers={"Origin": server.url}, allow_redirects=False, timeout=30).ok
    bearers = tokens | {"host": host, "rotated": rotated, "wrong": secrets.token_urlsafe(32)}
    return (
        {"none": {}}
        | {name: {"Authorization": f"Bearer {bearers[name]}"} for name in BEARERS}
        | {name: {"Cookie": f"user={cookies[name]}"} for name in COOKIES}
    )


def no_sessions(server: Server, cookie: str) -> dict[str, str]:
    """Return cookies that are each wrong in one thing; beside it, all but one are those of an open session."""
    key, session_id = key_of(server), id_of(server, cookie)
    return {
        "forged": signed("another key", session_id),
        "aged": signed(key, session_id, age_days=400),
        "renamed": signed(key, session_id, name="theme"),
        "unsigned": session_id,
        "unknown": signed(key, secrets.token_urlsafe(32)),
    }


@pytest.fixture
def routes(tmp_path: Path) -> Iterator[dict[str, set[str]]]:
    """Give the patterns of all rules of a real application, each with its methods; HEAD is GET without a body."""

    async def collect(store: Store) -> dict[str, set[str]]:
        server = make_server(make_monitor(store, Settings(data=str(tmp_path / "data"), port=0)), "key" * 12)
        application = server._tornado
        found: dict[str, set[str]] = {}
        for pattern, methods in [*walk(application.default_router), *walk(application.wildcard_router)]:
            found.setdefault(pattern, set()).update(methods)
        server.stop()
        return found

    pn.extension()
    store = Store.open(tmp_path / "data")
    yield asyncio.run(collect(store))
    store.close()


def walk(router: Any) -> Iterator[tuple[str, set[str]]]:
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from walk(rule.target)
        else:
            yield rule.matcher.regex.pattern, methods_of(rule.target)


def methods_of(handler: type[RequestHandler]) -> set[str]:
    """List the methods that a handler has; one without any refuses whatever comes, which a GET shows."""
    had = (
        name
        for name in ("GET", *CHANGING)
        if getattr(handler, name.lower()) is not getattr(RequestHandler, name.lower())
    )
    return set(had) or {"GET"}


def test_every_route_of_the_application_is_in_the_table(routes: dict[str, set[str]]) -> None:
    assert routes == {pattern: {use.method for use in uses} for pattern, uses in TABLE.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.method} {use.path}")
def test_a_route_answers_those_alone_who_may_use_it(
    server: Server, credentials: dict[str, dict[str, str]], use: Use, kind: str, count: Count
) -> None:
    headers = credentials[kind]
    if use.path == "/logout" and kind == "session":  # which ends it, and the others are still needed
        headers = {"Cookie": f"user={cookie_of(server.log_in())}"}
    if use.access is Access.SOCKET:
        status = int(shake_hands(server, use.path, Origin=server.url, **headers).split()[1])
        tell(count, use, kind, status)
        assert status == (101 if kind == "session" else 403)
        return
    status = send(server, use, headers)
    tell(count, use, kind, status)
    if kind in ALLOWED[use.access]:
        assert status not in (401, 403, 500)
    else:
        assert status in REFUSALS[use.access]


def tell(count: Count, use: Use, kind: str, status: int) -> None:
    """Count a request, and whether it was answered as it must not be."""
    may = kind in ALLOWED[use.access]
    let_in = not may and status not in REFUSALS.get(use.access, (403,))
    refused = may and status in (401, 403)
    told = {"let_in_wrongly": let_in, "refused_wrongly": refused, "answered_500_or_above": status >= 500}
    count("every route and websocket with every credential", requests=1, **told)


def send(server: Server, use: Use, headers: dict[str, str]) -> int:
    url = server.url + use.path
    own_page = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"} if "Cookie" in headers else {}
    answer = requests.request(
        use.method, url, headers=headers | own_page, data=use.body, allow_redirects=False, timeout=30
    )
    if answer.status_code == 302 and use.access is Access.SESSION:
        assert "/login" in answer.headers["Location"] or "missing=" in answer.headers["Location"]
        return 200 if "missing=" in answer.headers["Location"] else 302
    return answer.status_code


@pytest.mark.parametrize("path", ["/", "/vms", "/hosts/pve-routes", "/login", "/logout", "/acknowledge/forged"])
def test_the_head_of_a_page_can_be_asked_for(server: Server, credentials: dict[str, dict[str, str]], path: str) -> None:
    headers = credentials["session"] | {"Accept-Language": "en"}
    head, whole = (
        requests.request(method, server.url + path, headers=headers, allow_redirects=False, timeout=30)
        for method in ("HEAD", "GET")
    )
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["Content-Security-Policy"] == whole.headers["Content-Security-Policy"]
    assert head.headers.get("Content-Length") in (None, whole.headers.get("Content-Length"))
    assert is_open(server, credentials["session"])
    alone = requests.head(server.url + path, allow_redirects=False, timeout=30)
    assert alone.status_code == requests.get(server.url + path, allow_redirects=False, timeout=30).status_code or (
        path == "/logout"  # where a program's GET signs out
    )


def test_the_head_of_a_page_starts_no_page(tmp_path: Path) -> None:
    async def story() -> list[object]:
        local = LocalServer(tmp_path / "data")
        cookie = signed(KEY, await local.monitor.sessions.start())
        url, headers = f"http://127.0.0.1:{local.port}/vms", {"Cookie": f"user={cookie}"}
        started: list[object] = []
        for method in (requests.head, requests.get):
            answer = await asyncio.to_thread(method, url, headers=headers, allow_redirects=False, timeout=30)
            assert answer.status_code == 200
            started.append(len(list(local.server._tornado._applications["/vms"].sessions)))
        await local.stop()
        return started

    pn.extension()
    assert asyncio.run(story()) == [0, 1]


@pytest.mark.parametrize("method", ["PUT", "TRACE"])
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/", "GET, HEAD"),
        ("/hosts/pve-routes", "GET, HEAD"),
        ("/login", "GET, HEAD, POST"),
        ("/logout", "GET, HEAD, POST"),
        ("/acknowledge/forged", "GET, HEAD, POST"),
        ("/assets/login.css", "GET, HEAD"),
        ("/static/js/bokeh.min.js", "GET, HEAD"),
        ("/static/extensions/panel/panel.min.js", "GET, HEAD"),
        ("/vms/static/js/bokeh.min.js", "GET, HEAD"),
        ("/metadata", "GET"),
        ("/healthz", "GET, HEAD"),
    ],
)
def test_a_method_that_a_route_does_not_know_is_answered_with_those_that_it_does(
    server: Server, credentials: dict[str, dict[str, str]], path: str, methods: str, method: str
) -> None:
    answer = requests.request(method, server.url + path, headers=credentials["session"], timeout=30)
    assert (answer.status_code, answer.headers["Allow"]) == (405, methods)


CHANGES = [use for use in USES if use.method in CHANGING and "session" in ALLOWED[use.access]]
FOREIGN: dict[str, dict[str, str]] = {
    "origin": {"Origin": "http://evil.example"},
    "sandbox": {"Origin": "null"},
    "fetch metadata": {"Sec-Fetch-Site": "cross-site"},
    "neighbour": {"Sec-Fetch-Site": "same-site"},
    "referer": {"Referer": "http://evil.example/page"},
    "nothing": {},
}


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("use", CHANGES, ids=lambda use: f"{use.method} {use.path}")
def test_another_sites_page_changes_nothing_with_the_owners_cookie(
    server: Server, credentials: dict[str, dict[str, str]], use: Use, foreign: str, count: Count
) -> None:
    if use.path == "/logout" and foreign == "nothing":
        return  # a browser says where a POST comes from, and a program may sign out
    headers = credentials["session"] | FOREIGN[foreign]
    answer = requests.request(use.method, server.url + use.path, headers=headers, data=use.body, timeout=30)
    count("another site's page, with the owner's cookie", requests=1, obeyed=answer.status_code != 403)
    assert answer.status_code == 403
    assert is_open(server, credentials["session"])


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_browser_that_another_sites_link_leads_to_the_logout_is_asked_first(
    server: Server, credentials: dict[str, dict[str, str]], foreign: str
) -> None:
    headers = credentials["session"] | FOREIGN[foreign] | {"Accept-Language": "en"}
    answer = requests.get(server.url + "/logout", headers=headers, timeout=30)
    assert answer.status_code == 200
    assert '<form class="login-box" method="post" action="/logout">' in answer.text
    assert is_open(server, credentials["session"])


@pytest.mark.parametrize(
    "path",
    [
        "/agent/../etc/passwd",
        "/agent/%2e%2e/%2e%2e/etc/passwd",
        "/agent/proxmon-agent.pyz/../../config.py",
        "/assets/../templates/login.html",
        "/assets/%2e%2e/templates/login.html",
        "/assets//etc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/extensions/panel/%2e%2e/%2e%2e/config.py",
        "/components/..%2f..%2f/etc/passwd",
        "/assets/login.css%00",
        "/static/js/%00",
        "/vms/static/%00/../js/bokeh.min.js",
        "/hosts/x%00/static/js/bokeh.min.js",
    ],
)
def test_no_path_leads_to_another_file(server: Server, credentials: dict[str, dict[str, str]], path: str) -> None:
    with requests.Session() as session:
        prepared = session.prepare_request(requests.Request("GET", server.url, headers=credentials["session"]))
        prepared.url = server.url + path  # as it is written: requests would shorten the dots itself
        answer = session.send(prepared, timeout=30)
    assert answer.status_code in (400, 403, 404)
    assert b"root:" not in answer.content


@pytest.mark.parametrize("path", ["/autoload.js", "/vms/autoload.js", "/hosts/x/autoload.js", "/components/os/x/y/z"])
def test_what_of_panel_s_no_page_needs_is_closed(
    server: Server, credentials: dict[str, dict[str, str]], path: str
) -> None:
    address = f"{server.url}{path}?bokeh-autoload-element=x"
    assert requests.get(address, headers=credentials["session"], timeout=30).status_code == 404


@pytest.mark.parametrize("kind", ["none", "session"])
@pytest.mark.parametrize("path", [*sorted({use.path for use in USES if use.path}), "/nothing/here"])
def test_no_answer_can_be_framed_sniffed_or_run_what_is_not_ours(
    server: Server, credentials: dict[str, dict[str, str]], path: str, kind: str
) -> None:
    headers = credentials[kind] | {"Accept-Language": "en"}  # as a browser, which /logout asks first
    answer = requests.get(server.url + path, headers=headers, allow_redirects=False, timeout=30)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src" in policy
    assert "frame-ancestors 'none'" in policy
    is_page = any(use.path == path and use.access is Access.SESSION for use in USES)
    assert is_page or "unsafe-eval" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert answer.headers["Server"] == "proxmon"
