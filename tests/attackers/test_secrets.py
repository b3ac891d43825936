"""The secrets of a run are in nothing that it shows or leaves behind: logs, errors, `ps`, metrics, exports, store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.builders import a_message
from tests.servers import ROOT, Server


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[Server]:
    """Give a server that logs all it can."""
    running = Server(tmp_path / "data", environment={"PROXMON_LOG_LEVEL": "debug", "PROXMON_LOG_FORMAT": "json"})
    yield running.start()
    running.stop()


def use_everything(server: Server) -> dict[str, str]:
    """Do what people, agents and attackers do; return the secrets that were used."""
    host = server.add_host("pve-01")
    issued = server.ask("POST", "/api/tokens", json={"name": "grafana", "role": "reader"}).json()["token"]
    session = server.log_in()
    secrets = {"password": server.password, "host": host, "api": issued, "local": server.control.token}
    secrets |= {"cookie": session.cookies["user"], "browser": session.cookies["browser"]}
    secrets["wrong password"] = "wrong-guess-of-mallory"
    requests.post(server.url + "/login", data={"password": secrets["wrong password"]}, timeout=30)
    for token in (host, issued, host + "x"):
        server.post(token, a_message())
        server.post(token, b"{")
        server.ask("GET", "/api/hosts", token)
        server.ask("GET", f"/api/hosts?token={token}&at=nonsense", token)
        server.ask("GET", f"/acknowledge/{token}", token)
        server.ask("POST", "/api/query", token, json={"sql": f"SELECT '{token}' FROM nothing"})
        server.ask("DELETE", f"/api/hosts/{token}", issued)
    session.get(server.url + "/hosts/pve-01", timeout=30)
    session.get(server.url + f"/?missing={host}", headers={"Authorization": f"Bearer {host}"}, timeout=30)
    return secrets


def processes() -> bytes:
    """Return the command lines of all processes, as `ps` shows them to everybody."""
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += path.read_bytes()
        except OSError:
            continue  # it ended in between
    return found


def test_no_secret_is_shown_or_left_behind(talkative: Server, tmp_path: Path) -> None:
    secrets = use_everything(talkative)
    shown = {
        "ps": processes(),
        "metrics": talkative.ask("GET", "/metrics").content,
        "hosts": talkative.ask("GET", "/api/hosts").content,
        "tokens": talkative.ask("GET", "/api/tokens").content,
        "description": talkative.ask("GET", "/api/openapi.json").content,
    }
    command = [sys.executable, "-m", "proxmon", "export", "hosts", "--data", str(talkative.data)]
    shown["export"] = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
    talkative.stop()
    shown |= {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"data.log", "fleet.duckdb", "secrets.sqlite"} <= set(shown)
    found = [(where, name) for name, one in secrets.items() for where, text in shown.items() if one.encode() in text]
    assert found == []
