"""The login: one password, sessions that end, and nothing for mallory, on pages and on their websockets."""

from __future__ import annotations

import base64
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from dashboards.auth import cookie_secret, safe_next
from dashboards.sockets import SIGNED_OUT_CODE
from proxmon.throttle import STRANGER_EVERY_SECONDS, STRANGERS_AT_ONCE
from tests.servers import Server

PAGES = ("/", "/hosts/pve-01", "/vms", "/admin/channels", "/admin/hosts", "/admin/rules", "/admin/store")


def get(server: Server, path: str, **options: object) -> requests.Response:
    return requests.get(server.url + path, allow_redirects=False, timeout=30, **options)  # pyright: ignore


def log_in(server: Server, password: str, **options: object) -> requests.Response:
    data = {"password": password}
    return requests.post(server.url + "/login", data=data, allow_redirects=False, timeout=30, **options)  # pyright: ignore


def open_socket(server: Server, path: str, **headers: str) -> socket.socket:
    """Ask for a websocket and return the connection on which the answer comes."""
    netloc = urlsplit(server.url).netloc
    host, port = netloc.split(":")
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path}/ws HTTP/1.1",
        f"Host: {netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Protocol: bokeh, {page_token(server, path, headers)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    connection = socket.create_connection((host, int(port)), timeout=30)
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return connection


def page_token(server: Server, path: str, headers: dict[str, str]) -> str:
    """Return the token that a page carries for its websocket; any word where there is no page."""
    page = get(server, path + "/", headers={"Cookie": headers.get("Cookie", "")}).text
    found = re.search(r'"token":"([\w-]+)', page)
    return found[1] if found else "token"


def shake_hands(server: Server, path: str, **headers: str) -> str:
    """Ask for a websocket and return the status line of the answer."""
    with open_socket(server, path, **headers) as connection:
        return connection.recv(1000).decode(errors="replace").splitlines()[0]


@pytest.fixture
def throttled_server(tmp_path: Path) -> Iterator[Server]:
    """Give a server of its own: wrong passwords make an address wait, and all tests come from one."""
    running = Server(tmp_path / "data").start()
    yield running
    running.stop()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_without_a_session_leads_to_the_login(each_server: Server, path: str) -> None:
    before = len(each_server.log())
    for cookies in ({}, {"user": "owner"}, {"user": "2|1:0|10:1700000000|4:user|8:b3duZXI=|" + "0" * 64}):
        answer = get(each_server, path, cookies=cookies)
        assert answer.status_code == 302
        assert urlsplit(answer.headers["Location"]).path == "/login"
    assert "Traceback" not in each_server.log()[before:]


@pytest.mark.parametrize("path", PAGES)
def test_a_websocket_without_a_session_is_refused(each_server: Server, path: str) -> None:
    root = path.rstrip("/")
    assert " 403 " in shake_hands(each_server, root, Origin=each_server.url)
    assert " 403 " in shake_hands(each_server, root, Origin=each_server.url, Cookie="user=owner")


def test_a_websocket_of_another_sites_page_is_refused(each_server: Server) -> None:
    cookie = "user=" + (each_server.log_in().cookies.get("user") or "")
    assert " 403 " in shake_hands(each_server, "", Origin="http://evil.example", Cookie=cookie)
    assert " 101 " in shake_hands(each_server, "", Origin=each_server.url, Cookie=cookie)


def test_the_right_password_starts_a_session_with_safe_flags(each_server: Server) -> None:
    answer = log_in(each_server, each_server.password)
    assert answer.status_code == 302
    flags = answer.headers["Set-Cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
    assert "secure" not in flags
    assert get(each_server, "/", cookies=answer.cookies).status_code == 200


def test_behind_tls_the_cookie_is_secure(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", environment={"PROXMON_TRUST_PROXY": "yes"}).start()
    try:
        answer = log_in(server, server.password, headers={"X-Forwarded-Proto": "https"})
        assert "secure" in answer.headers["Set-Cookie"].lower()
    finally:
        server.stop()


@pytest.mark.parametrize("password", ["", "wrong", "x" * 10_000])
def test_a_wrong_password_is_401(throttled_server: Server, password: str) -> None:
    answer = log_in(throttled_server, password)
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert 'name="password"' in answer.text


def test_a_password_is_never_in_the_log(throttled_server: Server) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"password=geheim-%e4rt", b"password=geheim&next=%e4", b"password=x&password=geheim%ff"):
        answer = requests.post(throttled_server.url + "/login", data=body, headers=form, timeout=30)
        assert answer.status_code == 401
    assert get(throttled_server, "/login?password=geheim&next=/%e4").status_code == 200
    assert get(throttled_server, "/login?password=geheim%e4").status_code == 200
    assert "geheim" not in throttled_server.log()
    assert "Invalid unicode" not in throttled_server.log()


def test_what_cannot_be_decoded_counts_as_an_attempt(throttled_server: Server) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    url = throttled_server.url + "/login"
    answers = [requests.post(url, data=b"password=%ff", headers=form, timeout=30).status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]


def test_repeated_failures_wait_and_others_do_not(throttled_server: Server) -> None:
    answers = [log_in(throttled_server, "wrong") for _ in range(6)]
    assert [one.status_code for one in answers[:5]] == [401] * 5
    assert answers[5].status_code == 429
    assert int(answers[5].headers["Retry-After"]) >= 1
    assert log_in(throttled_server, throttled_server.password).status_code == 429


def test_attempts_at_the_same_time_gain_nothing(throttled_server: Server) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: log_in(throttled_server, "wrong").status_code, range(20)))
    assert set(answers) == {401, 429}
    assert answers.count(401) <= 7  # five are free; a slow machine takes long enough for the next ones to be due


def test_a_browser_that_logged_in_before_is_not_held_up_by_a_stranger(throttled_server: Server) -> None:
    session = throttled_server.log_in()
    assert [log_in(throttled_server, "wrong").status_code for _ in range(6)][-1] == 429
    session.post(throttled_server.url + "/logout", timeout=30)
    answer = log_in(throttled_server, throttled_server.password, cookies=session.cookies)
    assert answer.status_code == 302


def test_many_addresses_together_are_slowed_and_the_owners_browser_is_not(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", environment={"PROXMON_TRUST_PROXY": "yes"}).start()
    try:
        owner, began = server.log_in(), time.monotonic()
        guesses = [guess_from(server, f"198.51.100.{number}") for number in range(1, STRANGERS_AT_ONCE + 11)]
        gained = (time.monotonic() - began) / STRANGER_EVERY_SECONDS
        assert guesses[:STRANGERS_AT_ONCE] == [401] * STRANGERS_AT_ONCE
        assert guesses.count(401) <= STRANGERS_AT_ONCE + gained
        assert set(guesses) <= {401, 429}
        owner.post(server.url + "/logout", timeout=30)
        assert log_in(server, server.password, cookies=owner.cookies).status_code == 302
    finally:
        server.stop()


def guess_from(server: Server, address: str) -> int:
    """Try a wrong password as a visitor behind the proxy, and return the answer's status code."""
    return log_in(server, "wrong", headers={"X-Forwarded-For": address}).status_code


def test_a_login_that_another_site_sends_is_refused(each_server: Server) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert log_in(each_server, each_server.password, headers=headers).status_code == 403


def test_signing_out_is_only_for_our_own_pages(each_server: Server) -> None:
    session = each_server.log_in()
    foreign = {"Sec-Fetch-Site": "cross-site"}
    answer = session.get(each_server.url + "/logout", headers=foreign, allow_redirects=False, timeout=30)
    assert "Set-Cookie" not in answer.headers
    answer = session.post(each_server.url + "/logout", allow_redirects=False, timeout=30)
    assert answer.status_code == 302
    assert session.cookies.get("user") is None
    assert session.get(each_server.url + "/", allow_redirects=False, timeout=30).status_code == 302


def test_signing_out_ends_the_session_on_the_server(throttled_server: Server) -> None:
    one, other = throttled_server.log_in(), throttled_server.log_in()
    stolen = {"user": one.cookies.get("user") or ""}
    origin = {"Origin": throttled_server.url, "Cookie": f"user={stolen['user']}"}
    with open_socket(throttled_server, "", **origin) as connection:
        assert b" 101 " in connection.recv(1000)
        one.post(throttled_server.url + "/logout", timeout=30)
        assert close_code(connection) == SIGNED_OUT_CODE
    for _ in range(2):
        assert get(throttled_server, "/", cookies=stolen).status_code == 302
        assert get(throttled_server, "/api/hosts", cookies=stolen).status_code == 401
        assert " 403 " in shake_hands(throttled_server, "", **origin)
        assert other.get(throttled_server.url + "/", allow_redirects=False, timeout=30).status_code == 200
        throttled_server.stop()
        throttled_server.start()


def close_code(connection: socket.socket) -> int:
    """Return the code of the close frame that the server sends, after whatever else it sends."""
    received = b""
    while True:
        chunk = connection.recv(65_536)
        assert chunk, "the connection ended without a close frame"
        received += chunk
        at = received.rfind(b"\x88")  # a final frame, of kind close
        if at >= 0 and received[at + 4 :].startswith(b"signed out"):
            return int.from_bytes(received[at + 2 : at + 4])


def test_a_new_login_ends_the_session_that_the_browser_had(each_server: Server) -> None:
    session = each_server.log_in()
    before = {"user": session.cookies.get("user") or ""}
    session.post(each_server.url + "/login", data={"password": each_server.password}, timeout=30)
    assert session.cookies.get("user") != before["user"]
    assert get(each_server, "/", cookies=before).status_code == 302


def test_a_session_ends_with_its_time(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", environment={"PROXMON_SESSION_DAYS": str(2 / 86_400)}).start()
    try:
        session = server.log_in()
        origin = {"Origin": server.url, "Cookie": f"user={session.cookies.get('user')}"}
        with open_socket(server, "", **origin) as connection:
            assert close_code(connection) == SIGNED_OUT_CODE
        cookies = {"user": origin["Cookie"].removeprefix("user=")}
        assert get(server, "/", cookies=cookies).status_code == 302
    finally:
        server.stop()


def test_a_new_password_ends_every_session(throttled_server: Server) -> None:
    session = throttled_server.log_in()
    throttled_server.stop()
    throttled_server.password, throttled_server.password_hash = "another one", ""
    throttled_server.start()
    assert session.get(throttled_server.url + "/", allow_redirects=False, timeout=30).status_code == 302


def test_a_restart_keeps_sessions(throttled_server: Server) -> None:
    session = throttled_server.log_in()
    throttled_server.stop()
    throttled_server.start()
    assert session.get(throttled_server.url + "/", allow_redirects=False, timeout=30).status_code == 200


def test_an_unknown_host_leads_home(each_server: Server) -> None:
    answer = each_server.log_in().get(each_server.url + "/hosts/nobody", allow_redirects=False, timeout=30)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/?missing=nobody"


@pytest.mark.parametrize("path", ["/", "/login"])
def test_pages_cannot_be_framed_or_reinterpreted(each_server: Server, path: str) -> None:
    headers = each_server.log_in().get(each_server.url + path, timeout=30).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_what_a_page_carries_holds_no_cookie(each_server: Server) -> None:
    session = each_server.log_in()
    page = session.get(each_server.url + "/", timeout=30).text
    (token,) = re.findall(r'"token":"([\w-]+)', page)[:1]
    carried = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert b"session_id" in carried
    cookie = session.cookies.get("user") or "?"
    assert cookie not in page
    assert cookie.encode() not in carried


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/vms?q=a%20b", "/vms?q=a%20b"),
        ("/hosts/pve-01", "/hosts/pve-01"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\tevil", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("/login?next=/login", "/"),
        ("/logout", "/"),
        ("/logout#x", "/"),
        ("/./logout", "/"),
        ("/x/../logout?y", "/"),
        ("/x/%2e%2e/logout", "/"),
        ("/%6cogout", "/"),
        ("/logout/.", "/"),
        ("/vms/../events#late", "/vms/../events#late"),
    ],
)
def test_next_never_leaves_the_site(url: str, expected: str) -> None:
    assert safe_next(url) == expected


def test_next_stays_below_the_prefix() -> None:
    assert safe_next("/mon/vms", "/mon") == "/mon/vms"
    assert safe_next("/other", "/mon") == "/mon/"
    assert safe_next("/mon/logout", "/mon") == "/mon/"
    assert safe_next("/mon/x/../logout", "/mon") == "/mon/"
    assert safe_next("/mon/../other", "/mon") == "/mon/"
    assert safe_next("/mon/", "/mon") == "/mon/"


def test_the_cookie_key_depends_on_key_and_password() -> None:
    assert len({cookie_secret("a", "x"), cookie_secret("b", "x"), cookie_secret("a", "y")}) == 3


def test_the_server_does_not_start_without_a_hash(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", environment={})
    server.password_hash = "plain"
    with pytest.raises(AssertionError, match="hash-password"):
        server.start()


@pytest.mark.parametrize("path", ["/nothing/here", "/hosts/a/b", "/vms/x"])
def test_an_address_of_no_page_is_404_and_leads_home(each_server: Server, path: str) -> None:
    for method in ("GET", "POST"):
        answer = requests.request(method, each_server.url + path, timeout=30)
        assert answer.status_code == 404
        assert 'href="/"' in answer.text
