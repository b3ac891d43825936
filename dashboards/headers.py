"""The security headers of every answer, whichever handler gives it: ours, Panel's, Bokeh's or Tornado's own."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import Application, OutputTransform

from proxmon.handlers.base import list_methods

# Everything comes from this server. Bokeh writes a page's start into the page itself, hence `unsafe-inline`; Panel
# loads a component's module through a blob, hence `blob:`. 'self' also covers the websocket of the same host.
# Beside `unsafe-inline` a ban of `eval` would protect from nothing, and it would keep programs that drive a browser,
# such as people's own checks, from waiting for a condition on the page; the pages themselves compile nothing.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
FORM_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# What is no page runs nothing, also when somebody opens it as one.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SafeHeaders(OutputTransform):
    """Adds the headers that a handler did not set itself, and does not tell which version of Tornado answers."""

    def __init__(self, request: HTTPServerRequest, application: Application) -> None:
        super().__init__(request)
        self._request, self._application = request, application

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Add the headers."""
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers["Server"] = "proxmon"
        if status_code == 405 and "Allow" not in headers:
            headers["Allow"] = ", ".join(self._list_methods())
        return status_code, headers, chunk

    def _list_methods(self) -> list[str]:
        found: Any = self._application.find_handler(self._request)
        return list_methods(found.handler_class)


def add_headers(application: Application) -> None:
    """Let every answer of an application have the headers."""
    application.add_transform(cast("type[OutputTransform]", partial(SafeHeaders, application=application)))
