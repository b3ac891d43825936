"""``proxmon backup`` and ``proxmon restore``, beside a running server and without one."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.builders import a_fast_payload, a_message, a_wire_sample, iso
from tests.contract.test_cli import WHERE, proxmon
from tests.servers import Server


@dataclass(frozen=True)
class Filled:
    """A server with one host, which runs or was stopped, and the host's token."""

    server: Server
    token: str

    @property
    def data(self) -> Path:
        return self.server.data


@pytest.fixture(scope="module", params=WHERE)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Give a server with a host that sent a sample, which runs or was stopped."""
    server = Server(tmp_path_factory.mktemp("backed-up") / "data").start()
    token = server.add_host("pve-01")
    send(server, token)
    if request.param == WHERE[1]:
        server.stop()
    yield Filled(server, token)
    server.stop()


def send(server: Server, token: str) -> None:
    moment = iso(datetime.now(UTC))
    sample = a_wire_sample(collected_at=moment, payload=a_fast_payload())
    assert server.post(token, a_message(sample, sent_at=moment)).json()["stored"] == 1


def test_what_was_backed_up_is_there_again_with_its_tokens(filled: Filled, tmp_path: Path) -> None:
    backup, restored = tmp_path / "backup", tmp_path / "restored"
    (filled.data / "rules.toml").write_text("")
    made = proxmon("backup", str(backup), data=filled.data)
    assert (made.returncode, "proxmon restore" in made.stderr) == (0, True), made.stderr
    assert not list(filled.data.glob(".backup-*"))
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {"fleet.duckdb", "secrets.sqlite", "cookie.key", "links.key", "rules.toml", "backup.json"} == {
        file.name for file in backup.iterdir()
    }
    assert "1 host" in proxmon("restore", str(backup), data=restored).stdout
    again = Server(restored).start()
    try:
        assert again.host("pve-01")["samples"]["fast"]
        send(again, filled.token)
    finally:
        again.stop()


def test_nothing_is_overwritten(filled: Filled, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "thesis.txt").write_text("mine")
    for arguments in (("backup", str(tmp_path / "there")), ("restore", str(tmp_path / "there"))):
        ended = proxmon(*arguments, data=filled.data)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith("proxmon: ")
    assert (tmp_path / "there" / "thesis.txt").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_said_and_nothing_is_left(filled: Filled, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    ended = proxmon("backup", str(tmp_path / "file" / "backup"), data=filled.data)
    assert (ended.returncode, "could not be written" in ended.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert not list(filled.data.glob(".backup-*"))
