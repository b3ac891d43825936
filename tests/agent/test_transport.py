"""The agent's small HTTP client: what it reads, and that nothing on the other side can hold it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from scripted_server import TOKEN, ScriptedServer

from proxmon.agent.transport import Response, Transport, TransportError


@pytest.fixture
def serve() -> Iterator[Callable[[bytes | Callable[[socket.socket], None]], str]]:
    """Start a server that answers one connection with these bytes, or does with it what a function does."""
    listeners: list[socket.socket] = []

    def start(reply: bytes | Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer_one() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                if isinstance(reply, bytes):
                    connection.sendall(reply)
                else:
                    reply(connection)

        threading.Thread(target=answer_one, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.close()


def post(url: str, limit_seconds: float = 5.0, ca_file: str | None = None) -> Response:
    with closing(Transport(url, ca_file)) as transport:
        return transport.request("POST", "/api/ingest", {"Authorization": f"Bearer {TOKEN}"}, b"{}", limit_seconds)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
    ],
)
def test_bodies_come_whole_however_they_are_delimited(serve: Callable[..., str], reply: bytes) -> None:
    response = post(serve(reply))
    assert (response.status, response.body) == (200, b"hello")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "too long"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no HTTP"),
        (b"", "without an answer"),
        (b"x" * 100_000, "no end"),
    ],
)
def test_what_is_no_answer_is_an_error(serve: Callable[..., str], reply: bytes, said: str) -> None:
    with pytest.raises(TransportError, match=said):
        post(serve(reply))


def test_a_server_that_answers_one_byte_at_a_time_cannot_hold_us(serve: Callable[..., str]) -> None:
    def drip(connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(b"H")
                time.sleep(0.02)
        except OSError:
            return

    started_at = time.monotonic()
    with pytest.raises(TransportError, match=r"in time|no end"):
        post(serve(drip), limit_seconds=0.3)
    assert time.monotonic() - started_at < 20


def test_nobody_there_is_an_error() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransportError, match="refused"):
        post(f"http://127.0.0.1:{port}")


def test_a_name_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(TransportError, match=r"[Nn]ame|address"):
        post("http://monitor.invalid:5006")


def test_a_name_that_is_none_is_an_error() -> None:
    with pytest.raises(TransportError):
        post(f"http://{'x' * 70}.invalid:5006")


def trickle(connection: socket.socket) -> None:
    """Send the beginning of a handshake, a byte at a time."""
    with suppress(OSError):
        for byte in b"\x16\x03\x03\x40\x00" + bytes(1000):
            connection.sendall(bytes([byte]))
            time.sleep(0.2)


@pytest.mark.parametrize("hold", [lambda connection: time.sleep(60), trickle], ids=["silent", "slow"])
def test_a_handshake_that_does_not_end_is_given_up(serve: Callable[..., str], hold: Any) -> None:
    began = time.monotonic()
    with pytest.raises(TransportError):
        post(serve(hold).replace("http://", "https://"), limit_seconds=1)
    assert time.monotonic() - began < 20


def test_plain_http_where_tls_is_expected_is_an_error(serve: Callable[..., str]) -> None:
    with pytest.raises(TransportError):
        post(serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").replace("http://", "https://"))


def test_a_path_before_ours_is_kept(server: ScriptedServer) -> None:
    post(server.url + "/monitor/")
    assert server.other_requests == ["/monitor/api/ingest"]


class TlsServer(ScriptedServer):
    """The same over TLS, with a certificate of its own."""

    folder = Path()

    def start(self) -> None:
        super().start()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        assert self._http is not None
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://localhost:{self._port}"


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[TlsServer]:
    sign(tmp_path, days=2)
    TlsServer.folder = tmp_path
    with TlsServer() as server:
        yield server


def sign(folder: Path, days: int) -> None:
    """Make a certificate for ``localhost`` that ends in so many days, with its key."""
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem")
    request = ("req", "-new", *subject, *key, "-out", "request.pem")
    signed = ("-signkey", "key.pem", "-copy_extensions", "copy", "-days", str(days), "-out", "cert.pem")
    for argv in (request, ("x509", "-req", "-in", "request.pem", *signed)):
        subprocess.run(("openssl", *argv), cwd=folder, check=True, capture_output=True)


def test_a_certificate_of_a_known_authority_is_accepted(tls_server: TlsServer, tmp_path: Path) -> None:
    with closing(Transport(tls_server.url, str(tmp_path / "cert.pem"))) as transport:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert transport.request("POST", "/api/goodbye", headers, b"{}", 5).status == 204


def test_a_certificate_of_nobody_we_know_is_refused(tls_server: TlsServer) -> None:
    with pytest.raises(TransportError, match="certificate"):
        post(tls_server.url)
    assert tls_server.messages == []


def test_a_file_without_an_authority_is_named(tls_server: TlsServer, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(TransportError, match=r"ca\.pem has no certificate"):
        post(tls_server.url, ca_file=str(tmp_path / "ca.pem"))


def test_an_authority_that_comes_later_is_taken_then(tls_server: TlsServer, tmp_path: Path) -> None:
    late = tmp_path / "late.pem"
    with closing(Transport(tls_server.url, str(late))) as transport:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with pytest.raises(TransportError, match=r"late\.pem"):
            transport.request("POST", "/api/goodbye", headers, b"{}", 5)
        late.write_bytes((tmp_path / "cert.pem").read_bytes())
        assert transport.request("POST", "/api/goodbye", headers, b"{}", 5).status == 204


def test_a_certificate_that_has_ended_is_refused(tmp_path: Path) -> None:
    sign(tmp_path, days=-1)
    TlsServer.folder = tmp_path
    with TlsServer() as server, pytest.raises(TransportError, match="expired"):
        post(server.url, ca_file=str(tmp_path / "cert.pem"))


def test_a_certificate_for_another_name_is_refused(tls_server: TlsServer, tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"127\.0\.0\.1"):
        post(tls_server.url.replace("localhost", "127.0.0.1"), ca_file=str(tmp_path / "cert.pem"))
    assert tls_server.messages == []
