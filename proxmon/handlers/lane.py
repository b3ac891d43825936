"""The short way for messages of agents that are known: past Tornado, which costs more than all else of one.

Once an agent is known, its connection is taken from Tornado (agentconnection.py). Whatever is not such a message, and
whoever is not known yet, goes the usual way (ingest.py), to the same answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from socket import socket
from typing import Any, cast
from weakref import WeakSet

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream, SSLIOStream

from proxmon.handlers.agentconnection import AgentConnection, Lane
from proxmon.handlers.plainhead import read_fields


class IngestLane(HTTPServerConnectionDelegate):
    """Stands before an application and takes over the connections of known agents."""

    def __init__(self, application: HTTPServerConnectionDelegate, lane: Lane) -> None:
        self._application, self._lane = application, lane
        self._used = WeakSet[Any]()
        self._tasks: set[asyncio.Task[Any]] = set()  # the loop holds tasks weakly

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Return what takes one request."""
        if server_conn not in self._used:  # to take over a connection for one message does not pay
            self._used.add(server_conn)
            return self._application.start_request(server_conn, request_conn)
        return Chosen(
            partial(self._take_over, cast("HTTP1Connection", request_conn)),
            partial(self._application.start_request, server_conn, request_conn),
        )

    def on_close(self, server_conn: object) -> None:
        """Pass on that a connection was closed."""
        self._application.on_close(server_conn)

    def _take_over(self, connection: HTTP1Connection, line: RequestStartLine, headers: HTTPHeaders) -> bool:
        """Take the connection if this request on it is a known agent's message, whose body was not read yet."""
        stream = cast("IOStream", connection.stream)
        is_message = (line.method, line.path, line.version) == ("POST", self._lane.path, "HTTP/1.1")
        if not is_message or isinstance(stream, SSLIOStream) or stream.socket is None:
            return False
        head = read_fields([(name.lower(), value) for name, value in headers.get_all()])
        host_id = self._lane.find_host(head)
        if head is None or host_id is None:
            return False
        try:
            own = stream.socket.dup()  # first: it stays open whatever the stream finds when it reads
        except OSError:  # none is left
            return False
        connection.detach()
        self._open(AgentConnection(self._lane, _read_what_came(stream), head, host_id), own)
        stream.close()
        return True

    def _open(self, agent: AgentConnection, connection: socket) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(lambda: agent, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _read_what_came(stream: IOStream) -> bytes:
    """Return what a stream has read and nobody asked for yet, and what it can read at once."""
    reading = cast("asyncio.Future[bytes]", stream.read_bytes(stream.max_buffer_size, partial=True))
    return reading.result() if reading.done() and not reading.exception() else b""


class Chosen(HTTPMessageDelegate):
    """Passes a request on unless its connection was taken over."""

    def __init__(
        self,
        take_over: Callable[[RequestStartLine, HTTPHeaders], bool],
        usual: Callable[[], HTTPMessageDelegate],
    ) -> None:
        self._take_over, self._usual = take_over, usual

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Choose."""
        if self._take_over(cast("RequestStartLine", start_line), headers):
            return None
        usual = self._usual()
        self.data_received, self.finish = usual.data_received, usual.finish
        self.on_connection_close = usual.on_connection_close
        return usual.headers_received(start_line, headers)
