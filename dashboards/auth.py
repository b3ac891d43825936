"""The login: Panel's basic authentication with an Argon2 hash, one user, and a page of our own."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from panel.auth import BasicAuthProvider, BasicLoginHandler
from tornado.web import RequestHandler

from dashboards.login import login_page
from proxmon.auth import is_password
from proxmon.config import Settings
from proxmon.handlers.base import USER_COOKIE
from proxmon.handlers.crosssite import is_own_page
from proxmon.throttle import Throttle

USER = "owner"
SIGNED_OUT_CODE = 4401
LOGIN_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# Argon2 takes tens of milliseconds and 64 MiB each; two at a time bound what a flood of logins can cost.
_argon2 = ThreadPoolExecutor(2, thread_name_prefix="argon2")


def cookie_secret(key: str, password_hash: str) -> str:
    """Return the key that signs cookies; a new password makes another one and so ends every session."""
    return hmac.new(key.encode(), password_hash.encode(), hashlib.sha256).hexdigest()


def safe_next(url: str, prefix: str = "") -> str:
    """Return where to go after the login: a path of this site, or its first page."""
    is_path = re.fullmatch(r"/(?![/\\])[^\x00-\x20\\]*", url)
    if not is_path or not url.startswith(prefix + "/"):
        return prefix + "/"
    path = url.partition("?")[0].removeprefix(prefix)
    return prefix + "/" if path in ("/login", "/logout") else url


class SessionAuth(BasicAuthProvider):
    """Knows who is logged in from the signed cookie; our own routes serve login and logout."""

    def __init__(self, session_days: float) -> None:
        super().__init__()
        self._session_days = session_days

    @property
    def get_user(  # pyright: ignore[reportIncompatibleMethodOverride] - Panel's own is untyped
        self,
    ) -> Callable[[RequestHandler], str | None]:
        """Return the function that names who sent a request; None without a valid cookie."""

        def get_user(handler: RequestHandler) -> str | None:
            user = handler.get_signed_cookie(USER_COOKIE, max_age_days=self._session_days)
            return user.decode() if user else None

        return get_user

    @property
    def login_handler(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - Bokeh allows None
        """Return None: the route is ours."""

    @property
    def logout_handler(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return None: the route is ours."""

    @property
    def logout_url(self) -> None:
        """Return None: the pages have their own way out."""


class _SiteHandler(RequestHandler):
    settings_: Settings
    throttle: Throttle

    def initialize(self, settings: Settings, throttle: Throttle) -> None:
        self.settings_, self.throttle = settings, throttle
        self.root = settings.root

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", LOGIN_POLICY)
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Frame-Options", "DENY")

    def check_xsrf_cookie(self) -> None:
        """Do nothing: every request that changes something is checked by its origin."""

    def is_foreign(self) -> bool:
        """Tell whether another site made the browser send this."""
        return is_own_page(self.request.headers, self.request.host, self.settings_.allowed_origins) is False

    def cookie_flags(self) -> dict[str, Any]:
        """Return the flags of the session's cookies."""
        is_secure = self.request.protocol == "https"
        return {"httponly": True, "samesite": "Lax", "secure": is_secure, "path": self.root + "/"}


class LoginHandler(_SiteHandler, BasicLoginHandler):
    """``/login``: asks for the password and starts a session."""

    def get(self) -> None:
        """Show the page."""
        self._show()

    async def post(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - Tornado awaits either
        """Check the password, off the event loop; wrong ones make the address wait."""
        address = self.request.remote_ip or ""
        wait = math.ceil(self.throttle.wait_seconds(address))
        if self.is_foreign():
            self._show("Log in on this page itself: another site sent that request.", 403)
        elif wait > 0:
            self.set_header("Retry-After", str(wait))
            self._show(f"Too many wrong passwords. Try again in {wait} s.", 429)
        elif await self._is_right():
            self.throttle.succeeded(address)
            self.set_current_user(USER)
            self.redirect(self._next())
        else:
            self.throttle.failed(address)
            self._show("That is not the password.", 401)

    async def _is_right(self) -> bool:
        password = self.get_body_argument("password", "", strip=False)
        return await asyncio.get_running_loop().run_in_executor(_argon2, self._validate, USER, password)

    def _validate(self, username: str, password: str) -> bool:
        return is_password(self.settings_.password_hash, password)

    def set_current_user(self, user: str) -> None:
        """Start the session."""
        self.set_signed_cookie(USER_COOKIE, user, expires_days=self.settings_.session_days, **self.cookie_flags())

    def _next(self) -> str:
        return safe_next(self.get_argument("next", self.root + "/"), self.root)

    def _show(self, error: str = "", status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        page = login_page(f"{self.root}/login", self._next(), xsrf_html="", error=error, prefix=self.root)
        self.finish(page)


class LogoutHandler(_SiteHandler):
    """``/logout``: ends the session, unless another site asked for it."""

    def post(self) -> None:
        """End the session and close what it has open."""
        if not self.is_foreign():
            self.clear_cookie(USER_COOKIE, path=self.root + "/")
            self._close_sockets()
        self.redirect(self.root + "/login")

    get = post

    def _close_sockets(self) -> None:
        # One user, so all pages are theirs; those of other browsers with a valid cookie come back by themselves.
        for connection in list(getattr(self.application, "_clients", ())):
            connection._socket.close(SIGNED_OUT_CODE, "signed out")


def list_login_routes(settings: Settings) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """List the routes of login and logout."""
    arguments = {"settings": settings, "throttle": Throttle(time.monotonic)}
    root = settings.root
    return [(f"{root}/login", LoginHandler, arguments), (f"{root}/logout", LogoutHandler, arguments)]
