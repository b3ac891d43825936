"""A small HTTP/1.1 client: one kept-alive connection, a deadline for the whole exchange, no redirects.

`http.client` would do, but it always imports `ssl` and `email`: 7 MB, a quarter of what the agent may use. Here `ssl`
is only loaded for an https address, and a server that answers one byte a minute cannot hold a request for long.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Union
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

MAX_HEAD_BYTES = 32 << 10
MAX_BODY_BYTES = 1 << 20
SYSTEM_CA_FOLDER = "/etc/ssl/certs"
Connection = Union[socket.socket, "ssl.SSLSocket"]


class TransportError(Exception):
    """No HTTP answer was had; the text says why, for a person to read."""


class _ClosedBeforeAnswerError(TransportError):
    """The other side closed the connection without a byte, as servers do with an idle one."""


class Response(NamedTuple):
    """One HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_url(url: str) -> str:
    """Return a server's address without a trailing slash.

    Raises:
        ValueError: it is not an http or https address.

    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an address such as https://monitor.example:5006")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"{url!r}: only scheme, name, port and path belong into the server's address")
    assert parts.port is None or parts.port > 0  # reading it raises ValueError when it is no port
    return url.rstrip("/")


class Transport:
    """Sends requests to one server, over one connection at a time; for use by one thread."""

    def __init__(self, base_url: str, ca_file: str | None = None, user_agent: str = "proxmon-agent") -> None:
        parts = urlsplit(check_url(base_url))
        self._host = parts.hostname or ""
        self._is_https = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_https else 80)
        self._authority = parts.netloc
        self._prefix = parts.path
        self._ca_file = ca_file
        self._user_agent = user_agent
        self._tls: ssl.SSLContext | None = None
        self._connection: Connection | None = None

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, limit_seconds: float
    ) -> Response:
        """Exchange one request for one answer.

        Raises:
            TransportError: there was no connection, no answer in time, or no HTTP.

        """
        deadline = time.monotonic() + limit_seconds
        message = self._head(method, path, headers, len(body)) + body
        reused = self._connection is not None
        try:
            return self._exchange(message, deadline)
        except _ClosedBeforeAnswerError:
            self.close()
            if not reused:
                raise
        return self._exchange(message, deadline)

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _head(self, method: str, path: str, headers: Mapping[str, str], length: int) -> bytes:
        lines = [
            f"{method} {self._prefix}{path} HTTP/1.1",
            f"Host: {self._authority}",
            f"User-Agent: {self._user_agent}",
        ]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Accept: application/json", f"Content-Length: {length}", "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace")

    def _exchange(self, message: bytes, deadline: float) -> Response:
        try:
            if self._connection is None:
                self._connection = self._connect(deadline)
            response, keep = _Exchange(self._connection, deadline).run(message)
        except TransportError:
            self.close()
            raise
        except (OSError, ValueError) as error:
            self.close()
            raise TransportError(_reason(error)) from error
        if not keep:
            self.close()
        return response

    def _connect(self, deadline: float) -> Connection:
        plain = socket.create_connection((self._host, self._port), timeout=_remaining(deadline))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._is_https:
            return plain
        try:
            if self._tls is None:
                self._tls = _tls_context(self._ca_file)
            return self._tls.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise


class _Exchange:
    """One request and its answer on an open connection."""

    def __init__(self, connection: Connection, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._buffer = b""

    def run(self, message: bytes) -> tuple[Response, bool]:
        """Return the answer, and whether the connection can serve another request."""
        try:
            self._connection.settimeout(_remaining(self._deadline))
            self._connection.sendall(message)
            first = self._receive()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _ClosedBeforeAnswerError("the server closed the connection") from error
        if not first:
            raise _ClosedBeforeAnswerError("the server closed the connection without an answer")
        self._buffer = first
        status, headers = self._read_head()
        while 100 <= status < 200:
            status, headers = self._read_head()
        body, delimited = self._read_body(status, headers)
        keep = delimited and "close" not in headers.get("connection", "").lower()
        return Response(status, headers, body), keep

    def _receive(self) -> bytes:
        self._connection.settimeout(_remaining(self._deadline))
        return self._connection.recv(65536)

    def _read_head(self) -> tuple[int, Mapping[str, str]]:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise TransportError("the answer is no HTTP: its head has no end")
            self._more()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(None, 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise TransportError("the answer is no HTTP")
        pairs = (line.partition(":") for line in lines)
        return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _read_body(self, status: int, headers: Mapping[str, str]) -> tuple[bytes, bool]:
        if status in (204, 304):
            return b"", True
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks(), True
        if "content-length" in headers:
            return self._take(int(headers["content-length"])), True
        while len(self._buffer) <= MAX_BODY_BYTES:
            chunk = self._receive()
            if not chunk:
                return self._buffer, False
            self._buffer += chunk
        raise TransportError("the answer is too long")

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._buffer:
                self._more()
            size_line, self._buffer = self._buffer.split(b"\r\n", 1)
            size = int(size_line.split(b";")[0], 16)
            body += self._take(size, len(body))
            self._take(2)
            if size == 0:
                return body

    def _take(self, count: int, have: int = 0) -> bytes:
        if count < 0 or count + have > MAX_BODY_BYTES:
            raise TransportError("the answer is too long")
        while len(self._buffer) < count:
            self._more()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _more(self) -> None:
        chunk = self._receive()
        if not chunk:
            raise TransportError("the answer broke off")
        self._buffer += chunk


def _remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TransportError("no answer in time")
    return remaining


def _reason(error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return f"the server's name cannot be found ({error.strerror})"
    return str(error.strerror or error) if isinstance(error, OSError) else f"the answer is no HTTP ({error})"


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Verify against one CA file, else against the system's folder, which is read on demand: the bundle costs 8 MB."""
    import ssl  # noqa: PLC0415 - 4 MB that an http address does not need

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:  # which does not name the file
            raise TransportError(f"{ca_file} has no certificate that can be read: {_reason(error)}") from error
    elif os.path.isdir(SYSTEM_CA_FOLDER):
        context.load_verify_locations(capath=SYSTEM_CA_FOLDER)
    else:
        context.load_default_certs()
    return context
