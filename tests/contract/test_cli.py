"""The command line, as its users run it: with and without a running server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from proxmon.auth import is_password
from proxmon.cli import main
from storage import Store
from tests.builders import a_message, a_wire_sample
from tests.servers import Server

WHERE = ("beside a running server", "without a server")


def proxmon(*arguments: str, data: Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PROXMON_DATA": str(data)}
    command = [sys.executable, "-m", "proxmon", *arguments]
    return subprocess.run(
        command, env=environment, input=given, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(params=WHERE)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Give the data directory of a store, with a server on it or not."""
    if request.param == WHERE[0]:
        return request.getfixturevalue("server").data
    Store.open(tmp_path).close()
    return tmp_path


def test_hosts_are_added_listed_rotated_and_deleted(data: Path) -> None:
    name = f"cli-{uuid.uuid4().hex[:8]}"
    added = json.loads(proxmon("hosts", "add", name, "--json", data=data).stdout)
    assert added["name"] == name
    assert len(added["token"]) == 43
    listed = json.loads(proxmon("hosts", "list", "--json", data=data).stdout)
    assert next(one for one in listed if one["name"] == name)["status"] == "offline"
    rotated = json.loads(proxmon("hosts", "rotate", name, "--json", data=data).stdout)
    assert rotated["token"] != added["token"]
    assert proxmon("hosts", "delete", name, data=data).returncode == 0
    assert name not in proxmon("hosts", "list", data=data).stdout


def test_channels_are_added_listed_tested_and_deleted_and_their_address_is_never_shown(data: Path) -> None:
    name = f"cli-{uuid.uuid4().hex[:8]}"
    address = "json://alice:swordfish@127.0.0.1:9/T0KEN\n"  # port 9, where nobody listens
    options = ("--severity", "critical", "--hosts", "web-*, pve-01", "--quiet-hours", "daily 22:00-07:00", "--no-ends")
    added = proxmon("channels", "add", name, *options, "--json", data=data, given=address)
    assert json.loads(added.stdout)["service"] == "JSON"
    listed = proxmon("channels", "list", "--json", data=data)
    (row,) = [one for one in json.loads(listed.stdout) if one["name"] == name]
    assert (row["severity"], row["hosts"], row["tells_ends"]) == ("critical", "web-*, pve-01", False)
    tested = proxmon("channels", "test", name, data=data)
    assert tested.returncode == 1
    assert "127.0.0.1" in tested.stderr
    assert "waits" in proxmon("channels", "pause", name, data=data).stdout
    assert "paused since" in proxmon("channels", "list", data=data).stdout
    resumed = proxmon("channels", "resume", name, "--json", data=data)
    assert json.loads(resumed.stdout)["paused_at"] is None
    assert proxmon("channels", "delete", name, data=data).returncode == 0
    assert name not in proxmon("channels", "list", data=data).stdout
    for ended in (added, listed, tested):
        assert not any(secret in ended.stdout + ended.stderr for secret in ("swordfish", "T0KEN"))


def test_what_cannot_be_done_is_said_in_one_sentence(data: Path) -> None:
    for arguments, says in (
        (("hosts", "add", "a b"), "1 to 63"),
        (("hosts", "rotate", "nobody"), "nobody"),
        (("hosts", "delete", "nobody"), "nobody"),
        (("tokens", "revoke", "nobody"), "nobody"),
        (("channels", "delete", "nobody"), "channels list"),
        (("channels", "pause", "nobody"), "channels list"),
    ):
        ended = proxmon(*arguments, data=data)
        assert ended.returncode == 1
        assert ended.stdout == ""
        assert ended.stderr.startswith("proxmon: ")
        assert says in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [("hosts", "delete", "pve-01"), ("tokens", "revoke", "x"), ("compact",), ("backup", "{away}")]
)
def test_a_directory_without_a_store_is_refused_and_gets_none(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    away = tmp_path / "away"
    ended = proxmon(*(one.format(away=away) for one in arguments), data=tmp_path / "typo")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "--data" in ended.stderr
    assert not (tmp_path / "typo").exists()
    assert not away.exists()


@pytest.mark.parametrize("what", ["hosts", "tokens", "channels"])
def test_a_directory_without_a_store_lists_nothing_and_says_why(tmp_path: Path, what: str) -> None:
    ended = proxmon(what, "list", "--json", data=tmp_path / "typo")
    assert (ended.returncode, json.loads(ended.stdout)) == (0, [])
    assert "no store" in ended.stderr
    assert not (tmp_path / "typo").exists()


def test_tokens_are_added_listed_and_revoked(data: Path) -> None:
    name = f"cli-{uuid.uuid4().hex[:8]}"
    added = json.loads(proxmon("tokens", "add", name, "--role", "admin", "--json", data=data).stdout)
    assert set(added) == {"name", "token"}
    listed = proxmon("tokens", "list", data=data).stdout
    assert name in listed
    assert added["token"] not in listed
    assert proxmon("tokens", "revoke", name, data=data).returncode == 0
    assert name not in proxmon("tokens", "list", data=data).stdout


def test_the_store_is_compacted(data: Path) -> None:
    done = json.loads(proxmon("compact", "--json", data=data).stdout)
    assert set(done) == {"before_bytes", "after_bytes", "seconds"}
    assert "MiB" in proxmon("compact", data=data).stdout


def test_a_host_added_beside_the_server_can_send_at_once(server: Server) -> None:
    name = f"cli-{uuid.uuid4().hex[:8]}"
    token = proxmon("hosts", "add", name, data=server.data).stdout.strip()
    assert server.post(token, a_message(a_wire_sample())).status_code == 200


def test_a_host_added_before_the_server_started_is_there(tmp_path: Path) -> None:
    token = proxmon("hosts", "add", "early", data=tmp_path / "data").stdout.strip()
    server = Server(tmp_path / "data").start()
    try:
        assert server.post(token, a_message(a_wire_sample())).status_code == 200
    finally:
        server.stop()


def test_the_listing_holds_the_samples_with_and_without_a_server(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    assert server.post(server.add_host("pve-01"), a_message(a_wire_sample())).ok
    (beside,) = json.loads(proxmon("hosts", "list", "--json", data=server.data).stdout)
    server.stop()
    (alone,) = json.loads(proxmon("hosts", "list", "--json", data=server.data).stdout)
    assert alone["samples"]["fast"]["payload"] == beside["samples"]["fast"]["payload"] != {}


def test_a_second_server_on_the_same_data_is_refused(server: Server) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "proxmon", "serve", "--port", "0"],
        env=os.environ | {"PROXMON_DATA": str(server.data), "DASHBOARD_PASSWORD_HASH": server.password_hash},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert str(server.process.pid if server.process else 0) in ended.stderr


def test_a_password_is_hashed_from_standard_input(tmp_path: Path) -> None:
    hashed = proxmon("hash-password", data=tmp_path, given="correct horse\n").stdout.strip()
    assert is_password(hashed, "correct horse")
    assert proxmon("hash-password", data=tmp_path, given="\n").returncode == 1


def test_serve_without_a_hash_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DASHBOARD_PASSWORD_HASH", raising=False)
    assert main(["serve", "--data", str(tmp_path)]) == 1
    assert "proxmon hash-password" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for command in ("serve", "demo", "first-look", "hash-password", "hosts", "tokens", "agent"):
        assert command in text


def test_the_agents_parser_is_at_hand(tmp_path: Path) -> None:
    text = "  pool: tank\n state: DEGRADED\nconfig:\n\n\tNAME STATE READ WRITE CKSUM\n\ttank DEGRADED 0 0 0\n"
    ended = proxmon("agent", "parse", "zpool-status", "-", data=tmp_path, given=text)
    assert json.loads(ended.stdout)["pools"][0]["health"] == "DEGRADED"


def test_rules_are_checked_by_line_and_shown_by_host(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("[[scrub_age]]\nmax_days = 'x'\n")
    refused = proxmon("rules", "check", data=tmp_path)
    assert refused.returncode == 1
    assert "rules.toml: line 2: scrub_age.max_days: Write a number" in refused.stderr
    file.write_text('[[scrub_age]]\nhost = "pve-*"\nmax_days = 20\n')
    assert proxmon("rules", "check", str(file), data=tmp_path).returncode == 0
    unknown = proxmon("rules", "show", "pve-01", data=tmp_path)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "pve-01 is none" in unknown.stderr
    proxmon("hosts", "add", "pve-01", data=tmp_path)
    shown = json.loads(proxmon("rules", "show", "pve-01", "--json", data=tmp_path).stdout)
    found = next(one for one in shown if (one["rule"], one["key"]) == ("scrub_age", "max_days"))
    assert (found["value"], found["origin"]) == (20, "line 1, for hosts pve-*")
    missing = proxmon("rules", "check", str(tmp_path / "no.toml"), data=tmp_path)
    assert "Name a file that exists" in missing.stderr
