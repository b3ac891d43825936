"""Cookies of sessions, taken apart and made as the server makes them."""

from __future__ import annotations

import time

import requests
from tornado.web import create_signed_value, decode_signed_value

from dashboards.auth import cookie_secret
from tests.servers import Server


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


def is_open(server: Server, headers: dict[str, str]) -> bool:
    """Tell whether the session of these headers is open."""
    return requests.get(server.url + "/api/hosts", headers=headers, timeout=30).status_code == 200
