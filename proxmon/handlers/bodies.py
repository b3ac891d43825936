"""Bounds the bodies of all requests, so that none is held in memory that no route would take."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import msgspec
from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)

from proxmon.budget import Budget
from proxmon.errors import OverloadedError

# A form, a name, an acknowledgement or a statement in SQL; only agents send more.
MAX_BYTES = 256 * 1024
# What is too large is read to its end and thrown away, since a sender that is cut off does not see why; up to here.
MAX_DISCARDED_BYTES = 256 * 1024 * 1024
MAX_DIGITS = 18  # of a length: Python refuses to read a number of thousands


class Body:
    """A body as it comes in, refused when all bodies together become too large."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._content = budget, bytearray()
        self._refusal: OverloadedError | None = None

    def add(self, chunk: bytes) -> None:
        """Keep a part, unless one was refused."""
        if self._refusal is not None:
            return
        try:
            self._budget.take(len(chunk))
        except OverloadedError as error:
            self.let_go()
            self._refusal = error
        else:
            self._content += chunk

    def read(self) -> bytes:
        """Return the whole body; raises OverloadedError when it was refused."""
        if self._refusal is not None:
            raise self._refusal
        return bytes(self._content)

    def let_go(self) -> None:
        """Forget what was kept, also more than once."""
        self._budget.give_back(len(self._content))
        self._content = bytearray()


def announced_bytes(headers: Mapping[str, str]) -> float:
    """Return how large a body is said to be; 0 when nothing is said, or nothing that is a number."""
    text = headers.get("Content-Length", "")
    if not text.isdecimal():
        return 0
    return int(text) if len(text) <= MAX_DIGITS else math.inf


class BoundedBodies(HTTPServerConnectionDelegate):
    """Stands before an application and answers 413 to a body that is larger than its path takes.

    ``headers`` are those of every answer.
    """

    def __init__(
        self, application: HTTPServerConnectionDelegate, limit_of: Callable[[str], int], headers: Mapping[str, str]
    ) -> None:
        self._application, self._limit_of, self._headers = application, limit_of, headers

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Return what takes one request."""
        delegate = self._application.start_request(server_conn, request_conn)
        return BoundedRequest(delegate, cast("HTTP1Connection", request_conn), self._limit_of, self._headers)

    def on_close(self, server_conn: object) -> None:
        """Pass on that a connection was closed."""
        self._application.on_close(server_conn)


class BoundedRequest(HTTPMessageDelegate):
    """Passes a request on, unless its body exceeds the limit of its path."""

    def __init__(
        self,
        delegate: HTTPMessageDelegate,
        connection: HTTP1Connection,
        limit_of: Callable[[str], int],
        headers: Mapping[str, str],
    ) -> None:
        self._delegate, self._connection, self._limit_of, self._headers = delegate, connection, limit_of, headers
        self._limit = self._received = 0
        self._is_passed_on = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Keep a body from the application whose announced size is too large."""
        self._limit = self._limit_of(cast("RequestStartLine", start_line).path.partition("?")[0])
        self._connection.set_max_body_size(MAX_DISCARDED_BYTES)
        announced = announced_bytes(headers)
        self._is_passed_on = announced <= self._limit
        if self._is_passed_on:
            return self._delegate.headers_received(start_line, headers)
        if "Expect" in headers or announced > MAX_DISCARDED_BYTES:
            self._refuse()
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Pass a part on; those of a body without an announced size are counted."""
        self._received += len(chunk)
        if self._is_passed_on and self._received > self._limit:
            self._is_passed_on = False
            self._delegate.on_connection_close()
        return self._delegate.data_received(chunk) if self._is_passed_on else None

    def finish(self) -> None:
        """Pass on that the request is complete, or refuse it now that its sender listens."""
        if self._is_passed_on:
            self._delegate.finish()
        else:
            self._refuse()

    def on_connection_close(self) -> None:
        """Pass on that the connection was closed."""
        if self._is_passed_on:
            self._delegate.on_connection_close()

    def _refuse(self) -> None:
        text = msgspec.json.encode({"error": f"Send less in one request: at most {self._limit} bytes here."})
        own = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", "Server": "proxmon"}
        headers = HTTPHeaders({**self._headers, **own, "Content-Length": str(len(text))})
        self._connection.write_headers(ResponseStartLine("HTTP/1.1", 413, "Content Too Large"), headers, text)
        self._connection.finish()
