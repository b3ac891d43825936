"""``proxmon serve --quack``: DuckDB's ATTACH beside a running server."""

from __future__ import annotations

import os
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from proxmon.client.bridge import Bridge
from proxmon.errors import SettingsError
from proxmon.quack import check_address
from tests.attaching import ask, attach, attach_patiently, free_address, needs_quack
from tests.builders import a_message, a_wire_sample, iso
from tests.servers import Server

Issue = Callable[..., str]


@pytest.fixture(scope="module")
def address() -> str:
    return free_address()


@pytest.fixture(scope="module")
def serving(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server beside which DuckDB can attach."""
    running = Server(tmp_path_factory.mktemp("quack") / "data", arguments=("--quack", address)).start()
    yield running
    running.stop()


@pytest.fixture
def issue(serving: Server) -> Issue:
    """Give a function that makes a token of a role, under its name."""

    def issue(role: str = "reader", name: str = "") -> str:
        body = {"name": name or f"{role}-{uuid.uuid4().hex[:8]}", "role": role}
        return serving.ask("POST", "/api/tokens", json=body).json()["token"]

    return issue


def a_live_message() -> bytes:
    moment = iso(datetime.now(UTC))
    return a_message(a_wire_sample(collected_at=moment), sent_at=moment)


@needs_quack
def test_another_duckdb_sees_what_was_just_acknowledged(
    serving: Server, address: str, issue: Issue, tmp_path: Path
) -> None:
    client = attach_patiently(tmp_path, address, issue())
    host = serving.add_host("pve-live")
    for sent in range(1, 4):
        assert serving.post(host, a_live_message()).json()["stored"] == 1
        seen = client.execute("SELECT count(load1) FROM fleet.host_samples WHERE host = 'pve-live'").fetchall()
        assert seen == ask(client, "SELECT count(*) FROM samples WHERE host = 'pve-live'") == [(sent,)]


@needs_quack
def test_only_readers_tokens_enter(serving: Server, address: str, issue: Issue, tmp_path: Path) -> None:
    attach_patiently(tmp_path, address, issue())
    for token in (issue("admin"), serving.add_host("pve-token"), serving.control.token, serving.password, "none"):
        with pytest.raises(duckdb.Error, match="Authentication failed"):
            attach(tmp_path, address, token)


@needs_quack
def test_a_revoked_token_opens_nothing_from_then_on(
    serving: Server, address: str, issue: Issue, tmp_path: Path
) -> None:
    token = issue(name="to-be-revoked")
    client = attach_patiently(tmp_path, address, token)
    assert ask(client, "SELECT 1") == [(1,)]
    assert serving.ask("DELETE", "/api/tokens/to-be-revoked").status_code == 204
    with pytest.raises(duckdb.Error, match="valid token"):
        ask(client, "SELECT 1")
    with pytest.raises(duckdb.Error, match="Authentication failed"):
        attach(tmp_path, address, token)


@needs_quack
def test_secrets_and_settings_are_not_there(serving: Server, address: str, issue: Issue, tmp_path: Path) -> None:
    client = attach_patiently(tmp_path, address, issue())
    for sql in (
        "FROM api_tokens",
        "FROM channels",
        f"FROM sqlite_scan('{serving.data / 'secrets.sqlite'}', 'api_tokens')",
        f"FROM read_text('{serving.data / 'server.json'}')",
        "FROM duckdb_settings()",
        "SELECT getenv('DASHBOARD_PASSWORD_HASH')",
    ):
        with pytest.raises(duckdb.Error):
            ask(client, sql)


def processes_of(server: Server) -> list[int]:
    """List the processes that a server has started."""
    assert server.process is not None
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@needs_quack
def test_a_message_of_any_size_from_a_stranger_ends_the_process_and_not_the_server(
    serving: Server, address: str, issue: Issue, tmp_path: Path
) -> None:
    token = issue()
    client = attach_patiently(tmp_path, address, token)
    (pid,) = processes_of(serving)
    name, _, port = address.partition(":")
    with socket.create_connection((name, int(port))) as stranger:
        stranger.sendall(b"POST /quack HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        piece = bytes(2**20)
        with suppress(OSError):  # it does not take that much
            for _ in range(3_000):
                stranger.sendall(piece)
    with pytest.raises(duckdb.Error):
        ask(client, "SELECT 1")
    assert ask(attach_patiently(tmp_path, address, token), "SELECT 1") == [(1,)]
    assert pid not in processes_of(serving)
    assert serving.ask("GET", "/healthz").ok


@needs_quack
def test_it_is_started_again_and_ends_with_the_server(tmp_path: Path) -> None:
    address = free_address()
    server = Server(tmp_path / "data", environment={"PROXMON_QUACK": address}).start()
    try:
        token = server.ask("POST", "/api/tokens", json={"name": "reader"}).json()["token"]
        client = attach_patiently(tmp_path, address, token)
        (killed,) = processes_of(server)
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(duckdb.Error):
            ask(client, "SELECT 1")
        again = attach_patiently(tmp_path, address, token)
        assert ask(again, "SELECT 1") == [(1,)]
        server.stop()
        with pytest.raises(duckdb.Error):
            attach(tmp_path, address, token)
    finally:
        server.stop()


@pytest.mark.parametrize("address", ["127.0.0.1:9494", "localhost:1"])
def test_an_address_of_this_machine_is_taken(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", ["", "9494", "0.0.0.0:9494", "127.0.0.1:0", "127.0.0.1:65536", "mon.example:9494"])
def test_an_address_that_others_reach_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="proxmon quack --server URL"):
        check_address(address)


def test_a_bridge_tells_readers_from_all_others(server: Server) -> None:
    bridge = Bridge(server.url)
    role = {
        name: server.ask("POST", "/api/tokens", json={"name": f"b-{name}", "role": name}).json()["token"]
        for name in ("reader", "admin")
    }
    assert [bridge.admits(role["reader"]), bridge.admits(role["admin"]), bridge.admits("none")] == [True, False, False]
    (_, batch) = bridge.read(role["reader"], "SELECT 1 AS a")
    assert batch.to_pylist() == [{"a": 1}]
    assert not Bridge("http://127.0.0.1:9").admits(role["reader"])
