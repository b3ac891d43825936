"""The short way for messages of agents that are known: past Tornado's handlers, which cost more than all else of one.

Whatever is not such a message, and whoever is not known yet, goes the usual way (ingest.py), to the same answers.
"""

from __future__ import annotations

import http.client
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import cast

import msgspec
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)

from proxmon.context import Monitor
from proxmon.errors import ProxmonError, StoreUnavailableError
from proxmon.handlers.base import bearer_token, error_headers, error_sentence, http_status
from proxmon.handlers.bodies import Body
from proxmon.ingest import Message, Receipt

log = logging.getLogger(__name__)


class IngestLane(HTTPServerConnectionDelegate):
    """Stands before an application and takes the messages of known agents; ``headers`` are those of every answer."""

    def __init__(
        self, application: HTTPServerConnectionDelegate, monitor: Monitor, path: str, headers: Mapping[str, str]
    ) -> None:
        self._application, self._monitor, self._path = application, monitor, path
        self._headers = {
            **headers,
            "Cache-Control": "no-store",
            "Content-Type": "application/json; charset=utf-8",
            "Server": "proxmon",
        }

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Return what takes one request."""

        def choose(line: RequestStartLine, headers: HTTPHeaders) -> HTTPMessageDelegate:
            if line.method == "POST" and line.path == self._path:
                token = bearer_token(headers) or ""
                host_id = self._monitor.hosts.find_authenticated(token)
                if host_id is not None:
                    return Request(self._monitor, request_conn, self._headers, host_id, token)
            return self._application.start_request(server_conn, request_conn)

        return Chosen(choose)

    def on_close(self, server_conn: object) -> None:
        """Pass on that a connection was closed."""
        self._application.on_close(server_conn)


class Chosen(HTTPMessageDelegate):
    """Passes a request on to what was chosen for it by its headers."""

    def __init__(self, choose: Callable[[RequestStartLine, HTTPHeaders], HTTPMessageDelegate]) -> None:
        self._choose = choose

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Choose."""
        chosen = self._choose(cast("RequestStartLine", start_line), headers)
        self.data_received, self.finish = chosen.data_received, chosen.finish
        self.on_connection_close = chosen.on_connection_close
        return chosen.headers_received(start_line, headers)


class Request(HTTPMessageDelegate):
    """One message of a host that was authenticated."""

    def __init__(
        self, monitor: Monitor, connection: HTTPConnection, headers: Mapping[str, str], host_id: int, token: str
    ) -> None:
        self._monitor, self._connection, self._headers = monitor, connection, headers
        self._host_id, self._token, self._encoding = host_id, token, ""
        self._body = Body(monitor.ingest.budget)

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        """Note how the body is packed."""
        self._encoding = headers.get("Content-Encoding", "")

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body."""
        self._body.add(chunk)

    def finish(self) -> None:
        """Take in the message, which is complete."""
        try:
            body = self._body.read()
        except ProxmonError as error:
            self._answer(error)
        else:
            self._monitor.ingest.submit(Message(self._host_id, body, self._encoding, self._check_token, self._answer))

    def on_connection_close(self) -> None:
        """Let go of the body, which nobody waits for any more."""
        self._body.let_go()

    def _answer(self, outcome: Receipt | Exception) -> None:
        self._body.let_go()
        if isinstance(outcome, Receipt):
            self._write(200, {"stored": outcome.stored, "duplicates": outcome.duplicates})
        else:
            self._refuse(outcome)

    def _check_token(self) -> None:
        self._monitor.hosts.check(self._host_id, self._token)

    def _refuse(self, error: Exception) -> None:
        status = http_status(error)
        if isinstance(error, StoreUnavailableError):
            log.warning("a message was refused: %s", error)
        elif not isinstance(error, ProxmonError):
            log.error("a message could not be taken in", exc_info=error)
        self._write(status, {"error": error_sentence(error, status)}, error_headers(error, status))

    def _write(self, status: int, body: Mapping[str, object], more: Mapping[str, str] | None = None) -> None:
        text = msgspec.json.encode(body)
        headers = HTTPHeaders(self._headers)
        headers.update(more or {})
        headers["Date"] = _date(int(time.time()))
        headers["Content-Length"] = str(len(text))
        line = ResponseStartLine("HTTP/1.1", status, http.client.responses.get(status, "Unknown"))
        self._connection.write_headers(line, headers, text)
        self._connection.finish()


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
