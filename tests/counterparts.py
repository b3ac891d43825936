"""Real services that messages are sent to: a webhook over HTTP and a mail server."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from tests.waiting import wait_for

WAIT_SECONDS = 60


@dataclass
class Webhook:
    """Keeps what was posted. While it holds, it takes messages and never answers."""

    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    is_holding: bool = False
    status: int = 200
    released: threading.Event = field(default_factory=threading.Event)

    def wait(self, count: int) -> list[dict[str, Any]]:
        """Wait until that many messages came."""
        return wait_for(lambda: self.got if len(self.got) >= count else [], WAIT_SECONDS)


@contextmanager
def a_webhook() -> Generator[Webhook]:
    """Give a webhook on a free port."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if hook.is_holding:
                hook.released.wait(WAIT_SECONDS)
                return
            self.send_response(hook.status)
            self.end_headers()

        def do_GET(self) -> None:
            hook.got.append({"path": self.path})
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"json://alice:swordfish@127.0.0.1:{server.server_port}/T0KEN-of-the-hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """Keeps the mails that a server took in."""

    url: str = ""
    got: list[email.message.EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        """Take in a mail; the name is aiosmtpd's."""
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, email.message.EmailMessage)
        self.got.append(mail)
        return "250 OK"

    def wait(self, count: int) -> list[email.message.EmailMessage]:
        """Wait until that many mails came."""
        return wait_for(lambda: self.got if len(self.got) >= count else [], WAIT_SECONDS)


@contextmanager
def a_mailbox() -> Generator[Mailbox]:
    """Give a mail server on a free port."""
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    box.url = f"mailto://127.0.0.1:{port}?from=proxmon@mon.example&to=alice@mon.example&mode=insecure"
    try:
        yield box
    finally:
        controller.stop()
