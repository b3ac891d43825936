"""The login: Panel's basic authentication with an Argon2 hash, one user, and a page of our own."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import math
import posixpath
import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

from panel.auth import BasicAuthProvider, BasicLoginHandler
from tornado.web import RequestHandler

from dashboards.headers import FORM_POLICY
from dashboards.login import login_page
from dashboards.plain import plain_page
from proxmon.auth import is_password
from proxmon.context import Monitor
from proxmon.errors import StoreUnavailableError
from proxmon.handlers.base import USER_COOKIE, session_of
from proxmon.handlers.crosssite import explain_foreign, is_own_origin, is_own_page
from proxmon.throttle import Throttle, visitor_at

log = logging.getLogger(__name__)

USER = "owner"
# Tells a browser that logged in once, so that a stranger's guesses do not hold up its owner; it opens nothing.
BROWSER_COOKIE = "browser"
BROWSER_DAYS = 365
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
    # As a browser reads it: dots lead elsewhere, and a fragment is not sent.
    path = posixpath.normpath(unquote(re.split("[?#]", url, maxsplit=1)[0]))
    is_below = path == prefix or path.startswith(prefix + "/")
    return url if is_below and path.removeprefix(prefix) not in ("/login", "/logout") else prefix + "/"


class SessionAuth(BasicAuthProvider):
    """Knows the session from the signed cookie; our own routes serve login and logout."""

    def __init__(self, monitor: Monitor) -> None:
        super().__init__()
        self._monitor = monitor

    @property
    def get_user(  # pyright: ignore[reportIncompatibleMethodOverride] - Panel's own is untyped
        self,
    ) -> Callable[[RequestHandler], str | None]:
        """Return the function that tells the session of a request; None when it has none that is open."""

        def get_user(handler: RequestHandler) -> str | None:
            return session_of(handler, self._monitor)

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
    monitor: Monitor
    throttle: Throttle

    def initialize(self, monitor: Monitor, throttle: Throttle) -> None:
        self.monitor, self.throttle = monitor, throttle
        self.root = monitor.settings.root

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", FORM_POLICY)

    def check_xsrf_cookie(self) -> None:
        """Do nothing: every request that changes something is checked by its origin."""

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Decode a field; of one that cannot be decoded Tornado would log the content."""
        return value.decode(errors="replace")

    def is_own(self) -> bool | None:
        """Tell whether one of our pages sent this; None where nothing says so, not even a ``Referer``."""
        headers, host, origins = self.request.headers, self.request.host, self.monitor.settings.allowed_origins
        is_own, referer = is_own_page(headers, host, origins), headers.get("Referer")
        return is_own_origin(referer, host, origins) if is_own is None and referer is not None else is_own

    def is_foreign(self) -> bool:
        """Tell whether another site made the browser send this, and log what to set if it is none."""
        is_foreign = self.is_own() is False
        if is_foreign:
            log.warning("Refused %s %s. %s", self.request.method, self.request.path, self.explain_foreign())
        return is_foreign

    def show(self, page: str, status: int) -> None:
        """Answer a page."""
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page)

    def explain_foreign(self) -> str:
        """Return what to set when the request was sent by a page of our own after all."""
        return explain_foreign(self.request.headers.get("Origin", ""), self.request.host)

    def cookie_flags(self) -> dict[str, Any]:
        """Return the flags of the session's cookies."""
        is_secure = self.request.protocol == "https"
        return {"httponly": True, "samesite": "Lax", "secure": is_secure, "path": self.root + "/"}


class LoginHandler(_SiteHandler, BasicLoginHandler):
    """``/login``: asks for the password and starts a session."""

    def get(self) -> None:
        """Show the page."""
        self._show()

    head = get

    async def post(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - Tornado awaits either
        """Check the password, off the event loop; wrong ones make the visitor wait."""
        if self.is_foreign():
            self._show(f"Log in on this page itself. {self.explain_foreign()}", 403)
            return
        visitor, is_known = self._visitor()
        wait = math.ceil(self.throttle.attempt(visitor, is_known=is_known))
        if wait > 0:
            self.set_header("Retry-After", str(wait))
            self._show(f"Too many wrong passwords. Try again in {wait} s.", 429)
        elif await self._is_right():
            self.throttle.succeeded(visitor)
            await self._start_session()
            self.redirect(self._next())
        else:
            self.throttle.failed(visitor)
            log.warning("A wrong password came from %s.", self.request.remote_ip)
            self._show("That is not the password.", 401)

    def _visitor(self) -> tuple[str, bool]:
        """Return who tries, and whether it is a browser that logged in before."""
        browser = self.get_signed_cookie(BROWSER_COOKIE, max_age_days=BROWSER_DAYS)
        if browser:
            return f"browser {browser.decode(errors='replace')}", True
        return visitor_at(self.request.remote_ip or ""), False

    async def _is_right(self) -> bool:
        try:
            password = self.request.body_arguments.get("password", [b""])[-1].decode()
        except UnicodeDecodeError:
            return False
        return await asyncio.get_running_loop().run_in_executor(_argon2, self._validate, USER, password)

    def _validate(self, username: str, password: str) -> bool:
        return is_password(self.monitor.settings.password_hash, password)

    async def _start_session(self) -> None:
        before = session_of(self, self.monitor)
        session_id, days = await self.monitor.sessions.start(), self.monitor.settings.session_days
        self.set_signed_cookie(USER_COOKIE, session_id, expires_days=days, **self.cookie_flags())
        if self._visitor()[1] is False:
            name = secrets.token_urlsafe(16)
            self.set_signed_cookie(BROWSER_COOKIE, name, expires_days=BROWSER_DAYS, **self.cookie_flags())
        if before is not None:
            await end_session(self.monitor, before)

    def _next(self) -> str:
        return safe_next(self.get_argument("next", self.root + "/"), self.root)

    def _show(self, error: str = "", status: int = 200) -> None:
        self.show(login_page(f"{self.root}/login", self._next(), xsrf_html="", error=error, prefix=self.root), status)


class LogoutHandler(_SiteHandler):
    """``/logout``: ends the session, unless another site may have asked for it.

    Browsers say where a POST comes from. Without TLS they do not say it of a link on another site's page, which comes
    with the cookie: so a browser that is led here is asked first. A program is led by nobody.
    """

    async def get(self) -> None:
        """End the session for a page of our own and for a program; show anybody else a page with a button."""
        is_browser = "Accept-Language" in self.request.headers  # which no page can leave out
        if self.is_own() or (self.is_own() is None and not is_browser):
            await self._sign_out()
        else:
            self._ask()

    def head(self) -> None:
        """Answer as to a browser: whoever asks for the head alone does not sign out."""
        self._ask()

    async def post(self) -> None:
        """End the session, and with it what it has open."""
        if self.is_foreign():
            self._ask(f"You are still signed in. {self.explain_foreign()}", 403)
        else:
            await self._sign_out()

    async def _sign_out(self) -> None:
        key = session_of(self, self.monitor)
        self.clear_cookie(USER_COOKIE, path=self.root + "/")
        if key is not None:
            await end_session(self.monitor, key)
        self.redirect(self.root + "/login")

    def _ask(self, error: str = "", status: int = 200) -> None:
        page = plain_page("logout.html", self.root, action=f"{self.root}/logout", home=f"{self.root}/", error=error)
        self.show(page, status)


async def end_session(monitor: Monitor, key: str) -> None:
    """End a session; while nothing can be stored, it ends until the next restart at least."""
    try:
        await monitor.sessions.end(key)
    except StoreUnavailableError as error:
        log.warning("A logout was not stored: %s", error)


def list_login_routes(monitor: Monitor) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """List the routes of login and logout."""
    arguments = {"monitor": monitor, "throttle": Throttle(time.monotonic)}
    root = monitor.settings.root
    return [(f"{root}/login", LoginHandler, arguments), (f"{root}/logout", LogoutHandler, arguments)]
