"""A stand-in for the server's ingest, which stores each sample once and misbehaves when a test says so."""

from __future__ import annotations

import gzip
import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

Answer = tuple[int, dict[str, str], bytes]
Misbehaviour = Callable[[dict[str, Any]], "Answer | None"]
TOKEN = "a-token-for-tests"


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    """Build an answer; a body that is no bytes is sent as JSON, `Retry_After` becomes a header."""
    data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, data


class ScriptedServer:
    """Runs from entering to leaving; `stop` and `start` keep port and what is stored, as a server's restart does."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], dict[str, Any]] = {}
        self.messages: list[dict[str, Any]] = []
        self.goodbyes: list[dict[str, Any]] = []
        self.other_requests: list[str] = []
        self.script: list[Answer] = []
        self.judge: Misbehaviour = lambda message: None
        self.arrived = threading.Condition()
        self._port = 0
        self._http: ThreadingHTTPServer | None = None

    def __enter__(self) -> ScriptedServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.other_requests.append(self.path)
                self._reply(answer(404, {"error": "no"}))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    return self._reply(answer(401, {"error": "unknown token"}))
                return self._reply(outer.take(self.path, json.loads(body)))

            def _reply(self, reply: Answer) -> None:
                status, headers, data = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def process_request(self, request: Any, client_address: Any) -> None:
                self.connections.append(request)
                super().process_request(request, client_address)

        Server.connections = []  # pyright: ignore[reportAttributeAccessIssue] - of this run only
        self._http = Server(("127.0.0.1", self._port), Handler)
        self._port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Go away, cutting open connections as a killed server does."""
        if self._http is None:
            return
        self._http.shutdown()
        self._http.server_close()
        for connection in self._http.connections:  # pyright: ignore[reportAttributeAccessIssue]
            with suppress(OSError):
                connection.shutdown(2)
                connection.close()
        self._http = None

    def take(self, path: str, message: dict[str, Any]) -> Answer:
        with self.arrived:
            self.arrived.notify_all()
            if path == "/api/goodbye":
                self.goodbyes.append(message)
                return answer(204)
            if path != "/api/ingest":
                self.other_requests.append(path)
                return answer(404, {"error": "no"})
            self.messages.append(message)
            misbehaviour = self.script.pop(0) if self.script else self.judge(message)
            if misbehaviour is not None:
                return misbehaviour
            return self._store(message["samples"])

    def wait_for(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until something is so, looking after each request; fails after a while."""
        with self.arrived:
            assert self.arrived.wait_for(condition, seconds), "it did not happen in time"

    def section(self, tier: str, name: str) -> Any:
        """Return a section of the newest stored sample of a tier."""
        newest = max(key for key in self.stored if key[0] == tier)
        return self.stored[newest]["payload"][name]

    def _store(self, samples: list[dict[str, Any]]) -> Answer:
        new = {(sample["tier"], sample["collected_at"]): sample for sample in samples}
        duplicates = sum(key in self.stored for key in new)
        self.stored.update(new)
        return answer(200, {"stored": len(new) - duplicates, "duplicates": duplicates})
