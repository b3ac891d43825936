"""A session begins with the password and ends for good: nobody takes one over, brings one back, or ends another's."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
import requests

from tests.attackers.cookies import cookie_of, id_of, is_open, key_of, signed
from tests.contract.test_login import shake_hands
from tests.servers import Server
from tests.waiting import wait_for


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


def test_a_session_that_is_over_opens_nothing_however_new_its_signature(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", environment={"PROXMON_SESSION_DAYS": str(4 / 86_400)}).start()
    try:
        session_id = id_of(server, cookie_of(server.log_in()))

        def anew() -> dict[str, str]:
            return {"Cookie": f"user={signed(key_of(server), session_id)}"}

        assert is_open(server, anew())
        wait_for(lambda: not is_open(server, anew()))
        page = requests.get(server.url + "/", headers=anew(), allow_redirects=False, timeout=30)
        assert page.status_code == 302
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
