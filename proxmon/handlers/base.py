"""What all API routes share: who asks, and how errors are answered."""

from __future__ import annotations

import http.client
import logging
import math
import random
from collections.abc import Mapping
from typing import Any

import msgspec
from tornado.web import HTTPError, RequestHandler

from proxmon.context import Monitor
from proxmon.errors import (
    ConflictError,
    DeliveryError,
    ForbiddenError,
    NotFoundError,
    OverloadedError,
    ProxmonError,
    SampleError,
    StoreUnavailableError,
    TokenError,
    TooLargeError,
    UnreadableError,
)
from proxmon.handlers.crosssite import is_own_page
from proxmon.tokens import Role

log = logging.getLogger(__name__)

USER_COOKIE = "user"
# Of a store that is in trouble; senders that were refused together must not come back together.
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 5, 15

HTTP_STATUS: dict[type[ProxmonError], int] = {
    UnreadableError: 400,
    SampleError: 422,
    TooLargeError: 413,
    TokenError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    OverloadedError: 429,
    StoreUnavailableError: 503,
    DeliveryError: 502,
}
SENTENCES = {
    404: "Ask for one of the routes in docs/api.md: there is nothing here.",
    405: "Use one of the methods in docs/api.md: this route does not know that one.",
    500: "Look at the server's log: it could not answer this request.",
}


def http_status(error: BaseException) -> int:
    """Return the HTTP status for an error; the most specific class that is listed decides."""
    known = next((HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS), None)
    if known is not None:
        return known
    return error.status_code if isinstance(error, HTTPError) else 500


def error_headers(error: BaseException | None, status: int) -> dict[str, str]:
    """Return the headers that belong to an error's answer."""
    headers = {"WWW-Authenticate": 'Bearer realm="proxmon"'} if status == 401 else {}
    if isinstance(error, StoreUnavailableError):
        usual = random.randint(FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS)  # noqa: S311 - nobody gains by guessing it
        headers["Retry-After"] = str(math.ceil(getattr(error, "retry_after_seconds", usual)))
    return headers


def error_sentence(error: BaseException | None, status: int) -> str:
    """Return what an error's answer says; what went wrong inside is told to nobody."""
    if isinstance(error, ProxmonError):
        return str(error)
    reason = http.client.responses.get(status, "Error")
    return SENTENCES.get(status, f"Correct the request: {reason.lower()}.")


def list_methods(handler: type[RequestHandler]) -> list[str]:
    """List the methods that a handler knows."""
    names = (name.lower() for name in handler.SUPPORTED_METHODS)
    return [name.upper() for name in names if getattr(handler, name) is not getattr(RequestHandler, name)]


def decode(value: bytes, name: str | None) -> str:
    """Return a field, or a part of the path, as text; Tornado would log what cannot be decoded.

    Raises:
        UnreadableError: it is no UTF-8.
    """
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"Send {name or 'the path'} in UTF-8.") from error


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """Return the token of the ``Authorization`` header, or None."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def session_of(handler: RequestHandler, monitor: Monitor) -> str | None:
    """Return the key of the open session whose cookie came with a request, or None."""
    cookie = handler.get_signed_cookie(USER_COOKIE, max_age_days=monitor.settings.session_days)
    return monitor.sessions.find(cookie.decode(errors="replace")) if cookie else None


class ApiHandler(RequestHandler):
    """Answers in JSON, also its errors: ``{"error": "<one sentence that says what to do>"}``."""

    monitor: Monitor

    def initialize(self, monitor: Monitor) -> None:
        """Take the running monitor."""
        self.monitor = monitor

    def set_default_headers(self) -> None:
        """Let nobody cache what is answered; the server adds what every answer has."""
        self.set_header("Cache-Control", "no-store")

    def check_xsrf_cookie(self) -> None:
        """Do nothing: a request with a token needs no check, one with a cookie is checked in ``authorize``."""

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Decode a field or a part of the path; raises UnreadableError."""
        return decode(value, name)

    def answer(self, body: Any, status: int = 200) -> None:
        """Finish with a JSON body."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(msgspec.json.encode(body))

    def bearer_token(self) -> str | None:
        """Return the token of the ``Authorization`` header, or None."""
        return bearer_token(self.request.headers)

    async def authorize(self, role: Role) -> None:
        """Let the request pass with an API token of that role, or with the login cookie.

        Raises:
            TokenError: there is no valid credential.
            ForbiddenError: the token is a reader's, or the cookie came along from another site.
        """
        token = self.bearer_token()
        if token is not None:
            self._check_role(await self.monitor.tokens.authenticate(token), role)
        elif session_of(self, self.monitor) is None:
            raise TokenError("Log in, or send an API token: make one with `proxmon tokens add NAME`.")
        elif self.request.method not in ("GET", "HEAD") and not self._is_own_page():
            raise ForbiddenError("Send this from the dashboard's own pages, or use an admin's API token.")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error with one sentence that says what to do."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        status = http_status(error) if error else status_code
        if status == 405:
            self.set_header("Allow", ", ".join(list_methods(type(self))))
        for name, value in error_headers(error, status).items():
            self.set_header(name, value)
        self.answer({"error": error_sentence(error, status)}, status)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log what is our fault with its trace; what is the sender's is an answer, not an event."""
        if not isinstance(value, ProxmonError):
            super().log_exception(typ, value, tb)
        elif isinstance(value, StoreUnavailableError):
            log.warning("%s %s: %s", self.request.method, self.request.path, value)

    def _check_role(self, held: Role, needed: Role) -> None:
        if needed is Role.ADMIN and held is not Role.ADMIN:
            raise ForbiddenError("Use an admin's API token: make one with `proxmon tokens add NAME --role admin`.")

    def _is_own_page(self) -> bool:
        origins = self.monitor.settings.allowed_origins
        return bool(is_own_page(self.request.headers, self.request.host, origins))
