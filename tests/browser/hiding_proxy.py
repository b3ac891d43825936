"""A proxy as it should not be set up: it does not pass on the Host header that the browser sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer


class HidingProxy(ThreadingTCPServer):
    """Passes connections on to a local port, with another name in the Host header."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target = target
        self.host = f"127.0.0.1:{self.server_address[1]}"


class _Connection(BaseRequestHandler):
    server: HidingProxy

    def handle(self) -> None:
        shown, hidden = f"Host: {self.server.host}".encode(), b"Host: backend"
        with socket.create_connection(("127.0.0.1", self.server.target)) as backend:
            threading.Thread(target=_pass_on, args=(backend, self.request), daemon=True).start()
            _pass_on(self.request, backend, shown, hidden)


def _pass_on(source: socket.socket, target: socket.socket, old: bytes = b"-", new: bytes = b"-") -> None:
    with suppress(OSError):
        while chunk := source.recv(65_536):
            target.sendall(chunk.replace(old, new))
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def hiding_proxy(target: int) -> Generator[HidingProxy]:
    """Give a running proxy before a local port."""
    with HidingProxy(target) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        yield proxy
        proxy.shutdown()
