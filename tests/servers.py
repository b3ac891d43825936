"""The real server in a process of its own, started as its users start it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from proxmon.auth import hash_password
from proxmon.control import LocalServer, read_control

ROOT = Path(__file__).parent.parent
START_SECONDS = 60
STOP_SECONDS = 20
WAYS = ("proxmon serve", "panel serve")


@dataclass
class Server:
    """A running server with its data directory, the password and an administrator's token."""

    data: Path
    way: str = WAYS[0]
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    wrapper: tuple[str, ...] = ()
    folder: Path = ROOT
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    password_hash: str = ""
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Start the process and wait until it listens."""
        environment = os.environ | self.environment
        self.password_hash = self.password_hash or hash_password(self.password)
        environment |= {"DASHBOARD_PASSWORD_HASH": self.password_hash, "PROXMON_DATA": str(self.data)}
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), cwd=self.folder, env=environment, stdout=log, stderr=log)
        self._wait()
        return self

    def _command(self) -> list[str]:
        port = ["--port", str(self.port)]
        if self.way == "panel serve":
            return [*self.wrapper, sys.executable, "-m", "panel", "serve", "app.py", *port, *self.arguments]
        return [*self.wrapper, sys.executable, "-m", "proxmon", "serve", *port, *self.arguments]

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.log()}")
            if self._is_answering():
                self.port = urlsplit(self.url).port or 0
                return
            time.sleep(0.05)
        raise AssertionError(f"the server did not start: {self.log()}")

    def _is_answering(self) -> bool:
        control = self._find_control()
        if control is None or self.process is None or control.pid != self.process.pid:
            return False
        try:
            return requests.get(f"{control.url}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def _find_control(self) -> LocalServer | None:
        return read_control(self.data)

    def log(self) -> str:
        """Return what the process printed."""
        return (self.data.parent / f"{self.data.name}.log").read_text()

    @property
    def control(self) -> LocalServer:
        """Return how local programs reach the server."""
        control = self._find_control()
        assert control is not None
        return control

    @property
    def url(self) -> str:
        """Return the server's address."""
        return self.control.url

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        """End the process and wait for it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(with_signal)
            self.process.wait(STOP_SECONDS)

    def ask(self, method: str, path: str, token: str | None = None, **options: Any) -> requests.Response:
        """Send a request with an API token, by default the local administrator's."""
        bearer = {"Authorization": f"Bearer {self.control.token if token is None else token}"}
        headers = bearer | options.pop("headers", {})
        try:
            return requests.request(method, self.url + path, headers=headers, timeout=30, **options)
        except requests.Timeout as error:
            raise AssertionError(
                f"{method} {path}: no answer; the server's log and threads: {self.stacks()}"
            ) from error

    def stacks(self) -> str:
        """Return the end of the log, with where each thread of the process is at the moment."""
        assert self.process is not None
        self.process.send_signal(signal.SIGUSR1)
        time.sleep(1.0)
        return self.log()[-20_000:]

    def add_host(self, name: str) -> str:
        """Add a host and return its token."""
        answer = self.ask("POST", "/api/hosts", json={"name": name})
        assert answer.status_code == 201, answer.text
        return answer.json()["token"]

    def post(self, token: str, body: bytes | dict[str, Any], **options: Any) -> requests.Response:
        """Send a message as a host's agent."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", "/api/ingest", token, data=data, **options)

    def host(self, name: str) -> dict[str, Any]:
        """Return what the API says of a host."""
        return self.ask("GET", f"/api/hosts/{name}").json()

    def log_in(self) -> requests.Session:
        """Return a browser-like session that is logged in."""
        session = requests.Session()
        answer = session.post(f"{self.url}/login", data={"password": self.password}, allow_redirects=False, timeout=30)
        assert answer.status_code == 302, answer.text
        return session


class CopyServer(Server):
    """A server that shows a copy; what it needs beside that lies in ``data``, below a name of its own choice."""

    def __init__(self, data: Path, copy: Path) -> None:
        environment = {"TMPDIR": str(data)}
        super().__init__(data, environment=environment, arguments=("--data", str(copy), "--read-only"))

    def _find_control(self) -> LocalServer | None:
        return next(filter(None, map(read_control, self.data.glob("proxmon-copy-*"))), None)
