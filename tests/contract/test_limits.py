"""What is too large is answered 413, to whoever sends it, and never held in memory."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from dashboards.headers import HEADERS
from proxmon.handlers.bodies import MAX_BYTES
from tests.builders import a_message
from tests.servers import Server

MIB = 2**20
PATHS = ("/login", "/logout", "/api/hosts", "/api/goodbye", "/api/query", "/acknowledge/x", "/", "/nothing")


def in_parts(size: int) -> Iterator[bytes]:
    """Give a body whose size is not announced."""
    for _ in range(size // 65_536):
        yield b" " * 65_536


def peak_bytes(server: Server) -> int:
    """Return the most memory that the server held so far."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("is_announced", [True, False])
def test_every_route_refuses_what_it_would_not_take(each_server: Server, path: str, is_announced: bool) -> None:
    size = MAX_BYTES + 65_536
    answer = requests.post(each_server.url + path, data=b" " * size if is_announced else in_parts(size), timeout=30)
    assert answer.status_code == 413
    assert answer.json() == {"error": f"Send less in one request: at most {MAX_BYTES} bytes here."}
    assert HEADERS.items() <= dict(answer.headers).items()
    assert answer.headers["Server"] == "proxmon"


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_huge_message_is_refused_in_words_and_not_held(each_server: Server, is_announced: bool) -> None:
    before, size = peak_bytes(each_server), 100 * MIB
    token = each_server.control.token
    for path in ("/api/ingest", "/login"):
        body = b" " * size if is_announced else in_parts(size)
        answer = requests.post(
            each_server.url + path, data=body, headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        assert answer.status_code == 413
    assert peak_bytes(each_server) - before < 32 * MIB
    assert each_server.ask("GET", "/healthz").ok


def test_who_asks_before_sending_is_refused_at_once(each_server: Server) -> None:
    connection = http.client.HTTPConnection(each_server.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/api/ingest")
    connection.putheader("Content-Length", str(10**12))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert b"at most 8388608 bytes" in answer.read()
    connection.close()


def test_the_connection_goes_on_after_a_refusal(each_server: Server) -> None:
    with requests.Session() as session:
        assert session.post(each_server.url + "/login", data=b" " * (MAX_BYTES + 1), timeout=30).status_code == 413
        assert session.get(each_server.url + "/healthz", timeout=30).json() == {"status": "ok"}


def test_the_limit_of_messages_is_a_setting_and_holds_below_a_prefix(tmp_path: Path) -> None:
    environment = {"PROXMON_MAX_BODY_BYTES": str(MAX_BYTES * 2), "PROXMON_PREFIX": "mon"}
    server = Server(tmp_path / "data", environment=environment).start()
    try:
        token = server.add_host("pve-01")
        fits = a_message(samples=[]) + b" " * (MAX_BYTES + 1)
        assert server.post(token, fits).status_code == 200
        assert server.post(token, fits + b" " * MAX_BYTES).status_code == 413
    finally:
        server.stop()
