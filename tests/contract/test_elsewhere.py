"""``export``, ``bundle`` and ``seal`` of a server on another machine: by its URL, with a reader's token."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import proxmon
from tests.pasts import BEGIN, KEEP_EVERYTHING, WrittenPast
from tests.servers import Server

HOST = "pve-fra-01"  # the second host of the demo
AT = BEGIN - timedelta(hours=5)


@pytest.fixture(scope="module")
def server(small_past: WrittenPast, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server with three days of two hosts."""
    directory = small_past.copied_to(tmp_path_factory.mktemp("elsewhere") / "data")
    server = Server(directory, environment=KEEP_EVERYTHING).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    """Give a token that only reads."""
    return server.ask("POST", "/api/tokens", json={"name": "notebook", "role": "reader"}).json()["token"]


def ask(token: str, here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where there is no data directory."""
    environment = os.environ | {"PROXMON_DATA": str(here / "nowhere"), "PROXMON_TOKEN": token}
    command = [sys.executable, "-m", "proxmon", *arguments]
    return subprocess.run(command, env=environment, cwd=here, capture_output=True, text=True, check=False, timeout=120)


def test_the_rows_of_a_server_elsewhere_are_exported(server: Server, token: str, tmp_path: Path) -> None:
    views = ask(token, tmp_path, "export", "--url", server.url).stdout.split()
    assert "host_samples" in views
    ended = ask(token, tmp_path, "export", "zpool_1h", "zpools.parquet", "--host", HOST, "--url", server.url)
    assert ended.returncode == 0, ended.stderr
    fleet = proxmon.connect(server.data)
    rows = pq.read_table(tmp_path / "zpools.parquet").num_rows
    assert rows == fleet.sql("SELECT count(*) AS n FROM zpool_1h WHERE host = ?", [HOST])["n"][0]
    assert rows


def test_a_bundle_of_a_server_elsewhere_is_opened_here(server: Server, token: str, tmp_path: Path) -> None:
    ended = ask(token, tmp_path, "bundle", HOST, "incident.duckdb", "--at", AT.isoformat(), "--url", server.url)
    assert ended.returncode == 0, ended.stderr
    bundle, fleet = proxmon.connect(tmp_path / "incident.duckdb"), proxmon.connect(server.url, token)
    assert dict(bundle.status()) == {HOST: fleet.status(at=AT)[HOST]}


def test_days_of_a_server_elsewhere_are_sealed_here(server: Server, token: str, tmp_path: Path) -> None:
    ended = ask(token, tmp_path, "seal", "archive", "--url", server.url)
    assert ended.returncode == 0, ended.stderr
    files = list((tmp_path / "archive").glob("host_samples/*/host_samples.parquet"))
    assert len(files) >= 3
    assert not ask(token, tmp_path, "seal", "archive", "--url", server.url).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("export", "--url", "mon.example"), "https://mon.example"),
        (("export", "--url", "http://127.0.0.1:9", "--data", "."), "Choose one"),
        (("export", "--url", "http://127.0.0.1:9"), "does not answer"),
        (("seal", "--url", "http://127.0.0.1:9"), "Name the directory"),
    ],
)
def test_what_cannot_be_asked_is_said(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    ended = ask("some-token", tmp_path, *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert says in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_token_is_needed_and_has_to_be_right(server: Server, tmp_path: Path) -> None:
    assert "proxmon tokens add" in ask("", tmp_path, "export", "--url", server.url).stderr
    assert "token" in ask("wrong", tmp_path, "export", "--url", server.url).stderr
