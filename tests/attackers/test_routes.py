"""Every route and websocket with every kind of credential: a route that is not in the table fails the first test."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import panel as pn
import pytest
import requests
from tornado.web import RequestHandler, create_signed_value, decode_signed_value

from dashboards.auth import cookie_secret
from dashboards.server import make_server
from proxmon.config import Settings
from proxmon.runtime import make_monitor
from storage import Store
from tests.builders import a_message
from tests.contract.test_login import shake_hands
from tests.servers import Server
from tests.waiting import wait_for


class Access(StrEnum):
    """Who may use a route."""

    EVERYBODY = "everybody"
    HOST = "a host's token"
    READER = "a reader's token or a session"
    ADMIN = "an administrator's token or a session"
    SESSION = "a session"
    SOCKET = "a session, as a websocket"
    LINK = "whoever holds a link that we signed"
    PASSWORD = "who knows the password"


@dataclass(frozen=True)
class Use:
    """A way to use a route: what a request looks like that is allowed, and by whom."""

    access: Access
    path: str
    method: str = "GET"
    body: bytes | None = None


CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
HOST_PATH = "/api/hosts/pve-routes"
# The patterns of the application's own rules; a route has a use for each method that changes something.
TABLE: dict[str, tuple[Use, ...]] = {
    "/healthz$": (Use(Access.EVERYBODY, "/healthz"),),
    "/metrics$": (Use(Access.READER, "/metrics"),),
    "/api/compact$": (Use(Access.ADMIN, "/api/compact", "POST"),),
    "/api/backup$": (Use(Access.ADMIN, "/api/backup", "POST"),),
    "/api/ingest$": (Use(Access.HOST, "/api/ingest", "POST", a_message(samples=[])),),
    "/api/goodbye$": (Use(Access.HOST, "/api/goodbye", "POST", b""),),
    "/api/hosts$": (
        Use(Access.READER, "/api/hosts"),
        Use(Access.ADMIN, "/api/hosts", "POST", b'{"name": "not a name!"}'),
    ),
    "/api/hosts/([^/]+)$": (
        Use(Access.READER, HOST_PATH),
        Use(Access.ADMIN, "/api/hosts/nobody", "DELETE"),
    ),
    "/api/hosts/([^/]+)/rotate$": (Use(Access.ADMIN, "/api/hosts/nobody/rotate", "POST", b""),),
    "/api/guests$": (Use(Access.READER, "/api/guests?q=x"),),
    "/api/alerts$": (Use(Access.READER, "/api/alerts"),),
    r"/api/alerts/(\d+)/acknowledgement$": (
        Use(Access.ADMIN, "/api/alerts/99999999/acknowledgement", "POST", b"{}"),
        Use(Access.ADMIN, "/api/alerts/99999999/acknowledgement", "DELETE"),
    ),
    "/api/silences$": (
        Use(Access.READER, "/api/silences"),
        Use(Access.ADMIN, "/api/silences", "POST", b'{"no": "silence"}'),
    ),
    r"/api/silences/(\d+)$": (Use(Access.ADMIN, "/api/silences/99999999", "DELETE"),),
    "/api/channels$": (
        Use(Access.ADMIN, "/api/channels"),
        Use(Access.ADMIN, "/api/channels", "POST", b'{"no": "channel"}'),
    ),
    "/api/channels/([^/]+)$": (
        Use(Access.ADMIN, "/api/channels/nobody", "PATCH", b"{}"),
        Use(Access.ADMIN, "/api/channels/nobody", "DELETE"),
    ),
    "/api/channels/([^/]+)/test$": (Use(Access.ADMIN, "/api/channels/nobody/test", "POST", b"{}"),),
    "/api/events$": (Use(Access.READER, "/api/events"),),
    "/api/rules$": (
        Use(Access.READER, "/api/rules"),
        Use(Access.ADMIN, "/api/rules", "PUT", b'{"text": "[[nothing]]"}'),
    ),
    "/api/rules/rehearsal$": (Use(Access.ADMIN, "/api/rules/rehearsal", "POST", b'{"text": "[[nothing]]"}'),),
    "/api/query$": (Use(Access.READER, "/api/query", "POST", b'{"sql": "SELECT 1"}'),),
    "/api/tokens$": (
        Use(Access.ADMIN, "/api/tokens"),
        Use(Access.ADMIN, "/api/tokens", "POST", b'{"name": "x", "role": "no such role"}'),
    ),
    "/api/tokens/([^/]+)$": (Use(Access.ADMIN, "/api/tokens/nobody", "DELETE"),),
    r"/api/openapi\.json$": (Use(Access.EVERYBODY, "/api/openapi.json"),),
    r"/agent/proxmon-agent\.pyz$": (Use(Access.EVERYBODY, "/agent/proxmon-agent.pyz"),),
    r"/agent/proxmon-agent\.pyz\.sha256$": (Use(Access.EVERYBODY, "/agent/proxmon-agent.pyz.sha256"),),
    r"/agent/install\.sh$": (Use(Access.EVERYBODY, "/agent/install.sh"),),
    "/api/.*$": (Use(Access.EVERYBODY, "/api/nothing"),),
    "/agent/.*$": (Use(Access.EVERYBODY, "/agent/nothing"),),
    "/acknowledge/([A-Za-z0-9._-]{1,200})$": (
        Use(Access.LINK, "/acknowledge/forged"),
        Use(Access.LINK, "/acknowledge/forged", "POST", b""),
    ),
    r"/hosts/([^/]+)/values\.(csv|parquet|json)$": (
        Use(Access.READER, "/hosts/pve-routes/values.csv?since=0&until=60&show=host:60"),
    ),
    "/login$": (Use(Access.EVERYBODY, "/login"), Use(Access.PASSWORD, "/login", "POST")),
    "/logout$": (Use(Access.EVERYBODY, "/logout"), Use(Access.EVERYBODY, "/logout", "POST", b"")),
    "/assets/(.*)$": (Use(Access.EVERYBODY, "/assets/login.css"),),
    "/static/(?!extensions/)(.*)$": (Use(Access.EVERYBODY, "/static/js/bokeh.min.js"),),
    "/static/extensions/(.*)$": (Use(Access.EVERYBODY, "/static/extensions/panel/panel.min.js"),),
    "/static/(.*)$": (Use(Access.EVERYBODY, "/static/js/bokeh.min.js"),),
    "/hosts/(?:[^/]+)/static/(.*)$": (Use(Access.EVERYBODY, "/hosts/x/static/js/bokeh.min.js"),),
    "/alerts/static/(.*)$": (Use(Access.EVERYBODY, "/alerts/static/js/bokeh.min.js"),),
    "/events/static/(.*)$": (Use(Access.EVERYBODY, "/events/static/js/bokeh.min.js"),),
    "/vms/static/(.*)$": (Use(Access.EVERYBODY, "/vms/static/js/bokeh.min.js"),),
    "/admin/channels/static/(.*)$": (Use(Access.EVERYBODY, "/admin/channels/static/js/bokeh.min.js"),),
    "/admin/rules/static/(.*)$": (Use(Access.EVERYBODY, "/admin/rules/static/js/bokeh.min.js"),),
    "/admin/store/static/(.*)$": (Use(Access.EVERYBODY, "/admin/store/static/js/bokeh.min.js"),),
    "/admin/hosts/static/(.*)$": (Use(Access.EVERYBODY, "/admin/hosts/static/js/bokeh.min.js"),),
    "/favicon.ico$": (Use(Access.EVERYBODY, "/favicon.ico"),),
    # Panel would import the module that the path names; ours stands before it and knows none.
    "/components/.*$": (Use(Access.EVERYBODY, "/components/dashboards.components/Channel/_esm/x"),),
    "/components/(.*)$": (Use(Access.EVERYBODY, "/components/os/x/y/z"),),
    # Panel would start a page inside another site's.
    r"/(?:.*/)?autoload\.js$": (Use(Access.EVERYBODY, "/vms/autoload.js?bokeh-autoload-element=x"),),
    # Of which Tornado's static files would make a 500.
    "/.*%00.*$": (Use(Access.EVERYBODY, "/static/js/%00"),),
    "/?$": (Use(Access.SESSION, "/"),),
    "/ws$": (Use(Access.SOCKET, ""),),
    "/metadata$": (Use(Access.SESSION, "/metadata"),),
    "/autoload.js$": (Use(Access.EVERYBODY, "/autoload.js?bokeh-autoload-element=x"),),
}
for name, example in (
    ("/hosts/(?P<name>[^/]+)", "/hosts/pve-routes"),
    ("/vms", "/vms"),
    ("/alerts", "/alerts"),
    ("/events", "/events"),
    ("/admin/channels", "/admin/channels"),
    ("/admin/hosts", "/admin/hosts"),
    ("/admin/rules", "/admin/rules"),
    ("/admin/store", "/admin/store"),
):
    TABLE |= {
        f"{name}/?$": (Use(Access.SESSION, example),),
        f"{name}/ws$": (Use(Access.SOCKET, example),),
        f"{name}/metadata$": (Use(Access.SESSION, f"{example}/metadata"),),
        f"{name}/autoload.js$": (Use(Access.EVERYBODY, f"{example}/autoload.js?bokeh-autoload-element=x"),),
    }
# Wrong passwords make everybody wait: what they get is in tests/contract/test_login.py.
USES = [use for uses in TABLE.values() for use in uses if use.access is not Access.PASSWORD]
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


def cookie_of(session: requests.Session) -> str:
    return session.cookies.get("user") or ""


def id_of(server: Server, cookie: str) -> str:
    """Return the id of a session, which its cookie holds."""
    session_id = decode_signed_value(key_of(server), "user", cookie.strip('"'))
    assert session_id is not None
    return session_id.decode()


def key_of(server: Server) -> str:
    return cookie_secret((server.data / "cookie.key").read_text().strip(), server.password_hash)


def signed(key: str, session_id: str, name: str = "user", age_days: float = 0) -> str:
    """Return a cookie as it was made with that key so many days ago."""
    made_at = time.time() - age_days * 86_400
    return create_signed_value(key, name, session_id, clock=lambda: made_at).decode()


@pytest.fixture
def routes(tmp_path: Path) -> Iterator[dict[str, set[str]]]:
    """Give the patterns of all rules of a real application, each with the methods that change something."""

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
            yield rule.matcher.regex.pattern, changing_methods(rule.target)


def changing_methods(handler: type[RequestHandler]) -> set[str]:
    return {name for name in CHANGING if getattr(handler, name.lower()) is not getattr(RequestHandler, name.lower())}


def test_every_route_of_the_application_is_in_the_table(routes: dict[str, set[str]]) -> None:
    assert routes == {pattern: {use.method for use in uses} & CHANGING for pattern, uses in TABLE.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.method} {use.path}")
def test_a_route_answers_those_alone_who_may_use_it(
    server: Server, credentials: dict[str, dict[str, str]], use: Use, kind: str
) -> None:
    headers = credentials[kind]
    if use.path == "/logout" and kind == "session":  # which ends it, and the others are still needed
        headers = {"Cookie": f"user={cookie_of(server.log_in())}"}
    if use.access is Access.SOCKET:
        answer = shake_hands(server, use.path, Origin=server.url, **headers)
        assert (" 101 " if kind == "session" else " 403 ") in answer
        return
    status = send(server, use, headers)
    if kind in ALLOWED[use.access]:
        assert status not in (401, 403, 500)
    else:
        assert status in REFUSALS[use.access]


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
    server: Server, credentials: dict[str, dict[str, str]], use: Use, foreign: str
) -> None:
    if use.path == "/logout" and foreign == "nothing":
        return  # a browser says where a POST comes from, and a program may sign out
    headers = credentials["session"] | FOREIGN[foreign]
    answer = requests.request(use.method, server.url + use.path, headers=headers, data=use.body, timeout=30)
    assert answer.status_code == 403
    assert is_open(server, credentials["session"])


def is_open(server: Server, headers: dict[str, str]) -> bool:
    """Tell whether the session of these headers is open."""
    return requests.get(server.url + "/api/hosts", headers=headers, timeout=30).status_code == 200


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
    "own",
    [
        {"Accept-Language": "en", "Sec-Fetch-Site": "none"},
        {"Accept-Language": "en", "Sec-Fetch-Site": "same-origin"},
        {"Accept-Language": "en", "Referer": "{url}/vms"},
        {},
    ],
    ids=["typed", "own page", "own page without TLS", "program"],
)
def test_what_nobody_else_can_cause_signs_out_at_once(server: Server, own: dict[str, str]) -> None:
    cookie = {"Cookie": f"user={cookie_of(server.log_in())}"}
    headers = cookie | {name: value.format(url=server.url) for name, value in own.items()}
    answer = requests.get(server.url + "/logout", headers=headers, allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login")
    assert not is_open(server, cookie)


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


def test_a_session_that_is_over_opens_nothing_however_new_its_signature(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", environment={"PROXMON_SESSION_DAYS": str(4 / 86_400)}).start()
    try:
        session_id = id_of(server, cookie_of(server.log_in()))

        def anew() -> dict[str, str]:
            return {"Cookie": f"user={signed(key_of(server), session_id)}"}

        assert is_open(server, anew())
        wait_for(lambda: not is_open(server, anew()))
        assert send(server, Use(Access.SESSION, "/"), anew()) == 302
        assert " 403 " in shake_hands(server, "", Origin=server.url, **anew())
    finally:
        server.stop()


@pytest.mark.parametrize("kind", ["chosen", "chosen and signed", "of a session of his own"])
def test_a_session_that_was_there_before_the_login_is_not_taken_over(server: Server, kind: str) -> None:
    chosen, his_own = secrets.token_urlsafe(32), cookie_of(server.log_in())
    planted = {"chosen": chosen, "chosen and signed": signed(key_of(server), chosen)}.get(kind, his_own)
    login, data = server.url + "/login", {"password": server.password}
    headers = {"Cookie": f"user={planted}"}
    answer = requests.post(login, data=data, headers=headers, allow_redirects=False, timeout=30)
    assert answer.status_code == 302
    assert id_of(server, answer.cookies["user"]) not in (chosen, id_of(server, his_own))
    assert is_open(server, {"Cookie": f"user={answer.cookies['user']}"})
    assert not is_open(server, headers)
    assert not is_open(server, {"Cookie": f"user={signed(key_of(server), chosen)}"})


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
