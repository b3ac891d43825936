"""``proxmon bundle``, what is in the file, and what shows it: ``connect`` and ``serve --read-only``."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

import proxmon
from dashboards.pages import PAGES
from proxmon.auth import hash_password
from proxmon.config import RetentionSettings
from proxmon.errors import NotFoundError, StoreUnavailableError
from storage import Store
from tests.builders import a_message
from tests.pasts import BEGIN, KEEP_EVERYTHING, WrittenPast
from tests.servers import CopyServer, Server

HOST, OTHER = "pve-fra-01", "pve-lab-07"
AT = BEGIN - timedelta(hours=5)
WHERE = ("beside a running server", "without a server")


@pytest.fixture(scope="module")
def data(small_past: WrittenPast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data directory with three days of two hosts."""
    return small_past.copied_to(tmp_path_factory.mktemp("bundled") / "data")


@pytest.fixture(scope="module")
def bundle(data: Path) -> Path:
    """Give a bundle of four hours of one of them."""
    file = data.parent / "incident.duckdb"
    assert ask(data, HOST, str(file), "--at", AT.isoformat(), "--span", "4h").returncode == 0
    return file


@pytest.fixture(scope="module")
def shown(bundle: Path) -> Iterator[Server]:
    """Give a server that shows the bundle."""
    server = CopyServer(bundle.parent / "beside", bundle)
    server.start()
    yield server
    server.stop()


def ask(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PROXMON_DATA": str(data)}
    command = [sys.executable, "-m", "proxmon", "bundle", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def digest(path: Path) -> dict[str, str]:
    """Return what tells whether anything in a file or directory was changed."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    return {str(one): f"{one.stat().st_mtime_ns} {hashlib.sha256(one.read_bytes()).hexdigest()}" for one in files}


@pytest.mark.parametrize("where", WHERE)
def test_a_bundle_has_one_host_and_the_span_around_the_moment(data: Path, tmp_path: Path, where: str) -> None:
    server = Server(data, environment=KEEP_EVERYTHING)
    if where == WHERE[0]:
        server.start()
    file = tmp_path / "one.duckdb"
    ended = ask(data, HOST, str(file), "--at", AT.isoformat())
    server.stop()
    assert (ended.returncode, "proxmon serve --data" in ended.stderr) == (0, True)
    assert [path.name for path in tmp_path.iterdir()] == ["one.duckdb"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    fleet = proxmon.connect(file)
    (row,) = fleet.sql(
        "SELECT count(DISTINCT host) AS hosts, min(observed_at) AS first, max(observed_at) AS last FROM host_samples"
    ).to_dict("records")
    first, last = (row[name].tz_localize("UTC") for name in ("first", "last"))
    assert row["hosts"] == 1
    assert AT - timedelta(minutes=70) < first <= AT - timedelta(minutes=59)
    assert AT + timedelta(minutes=50) < last < AT + timedelta(minutes=60)


def test_there_is_nothing_of_another_host_in_it(bundle: Path) -> None:
    with duckdb.connect(str(bundle), read_only=True) as connection:
        tables = connection.execute(
            "SELECT table_name, list(column_name) FROM duckdb_columns() WHERE schema_name = 'base' GROUP BY ALL"
        ).fetchall()
        ids = {
            name: connection.execute(f"SELECT DISTINCT host_id FROM base.{name}").fetchall()
            for name, columns in tables
            if "host_id" in columns
        }
        ((mine,),) = connection.execute("SELECT host_id FROM hosts").fetchall()
    assert {host_id for found in ids.values() for (host_id,) in found} == {mine}
    assert ids["fast_samples"]
    assert ids["events"]
    content = bundle.read_bytes()
    assert HOST.encode() in content
    for secret in (OTHER.encode(), b"$2b$", b"argon2"):
        assert secret not in content


def test_the_bundle_says_of_its_moment_what_the_fleet_said(data: Path, bundle: Path) -> None:
    fleet, copied = proxmon.connect(data), proxmon.connect(bundle)
    assert copied.status().to_dict() == {HOST: fleet.status(at=AT)[HOST]}
    for moment in (AT - timedelta(minutes=100), AT + timedelta(minutes=100)):
        assert copied.status(at=moment)[HOST] == fleet.status(at=moment)[HOST]
    theirs = fleet.findings(at=AT)
    theirs = theirs[theirs["host"] == HOST].reset_index(drop=True)
    assert copied.findings().equals(theirs)
    assert copied.guests().equals(fleet.guests(at=AT).query("host == @HOST").reset_index(drop=True))
    assert len(copied.series(HOST, "load1", since="1h")) > 5


def test_a_moment_of_which_the_samples_are_gone_is_bundled_from_what_was_kept(
    small_past: WrittenPast, tmp_path: Path
) -> None:
    data, moment = small_past.copied_to(tmp_path / "data"), BEGIN - timedelta(days=2, minutes=17)
    store = Store.open(data, retention=RetentionSettings(fast_payload_days=1, payload_days=1))
    store.keep_up(BEGIN)
    store.close()
    assert ask(data, HOST, str(tmp_path / "old.duckdb"), "--at", moment.isoformat()).returncode == 0
    fleet, copied = proxmon.connect(data), proxmon.connect(tmp_path / "old.duckdb")
    theirs = fleet.findings(at=moment).query("host == @HOST").reset_index(drop=True)
    # The demo's agents have sent more often since then, and a host is offline after three of its newest intervals.
    assert copied.findings().drop(columns="threshold").equals(theirs.drop(columns="threshold"))
    assert (theirs["verdict"] != "unknown").any()


def test_pages_and_api_show_the_moment_of_the_bundle(shown: Server) -> None:
    assert [host["host"] for host in shown.ask("GET", "/api/hosts").json()["hosts"]] == [HOST]
    assert datetime.fromisoformat(shown.ask("GET", "/api/hosts").json()["at"]) == AT
    session = shown.log_in()
    page = session.get(f"{shown.url}/hosts/{HOST}", timeout=30)
    assert (page.status_code, "Copy, as of 2026-11-25 09:00 UTC" in page.text) == (200, True)
    for spec in PAGES:
        found = session.get(shown.url + spec.path.replace("{name}", HOST), timeout=30)
        assert (found.status_code, "/login" in found.url) == (200, False), spec.path
    assert shown.ask("GET", "/metrics").ok
    assert shown.ask("GET", "/api/events").json()["events"]
    stranger = shown.ask("GET", "/", "none", allow_redirects=False)
    assert (stranger.status_code, "/login" in stranger.headers["Location"]) == (302, True)


def test_whoever_wants_to_change_something_is_told_that_it_is_a_copy(shown: Server, bundle: Path) -> None:
    before = digest(bundle)
    for answer in (
        shown.post("any token", a_message()),
        shown.ask("POST", "/api/goodbye", "any token"),
        shown.ask("POST", "/api/hosts", json={"name": "pve-new"}),
        shown.ask("POST", f"/api/hosts/{HOST}/rotate"),
        shown.ask("DELETE", f"/api/hosts/{HOST}"),
        shown.ask("POST", "/api/silences", json={"reason": "x", "host": HOST}),
        shown.ask("POST", "/api/channels", json={"name": "mail", "url": "json://127.0.0.1:9/"}),
        shown.ask("POST", "/api/compact"),
        shown.ask("POST", "/api/backup"),
        shown.ask("PUT", "/api/rules", json={"text": ""}),
        shown.ask("POST", "/api/tokens", json={"name": "other", "role": "reader"}),
    ):
        assert answer.status_code == 503, answer.text
        assert "copy" in answer.json()["error"]
    assert shown.ask("POST", "/api/query", json={"sql": "SELECT count(*) FROM host_samples"}).ok
    assert shown.ask("POST", "/api/query", json={"sql": "DELETE FROM base.hosts"}).status_code == 422
    shown.stop()
    assert digest(bundle) == before
    assert not list(bundle.parent.glob(f"{bundle.name}*.wal"))
    assert not list(shown.data.iterdir())
    assert "Traceback" not in shown.log()
    shown.start()


def test_a_copied_data_directory_is_shown_and_not_written(data: Path, tmp_path: Path, small_past: WrittenPast) -> None:
    copied = small_past.copied_to(tmp_path / "copied")
    copied.chmod(0o500)
    before = digest(copied)
    server = CopyServer(tmp_path / "beside", copied)
    server.start()
    hosts = server.ask("GET", "/api/hosts").json()["hosts"]
    server.stop()
    copied.chmod(0o700)
    assert digest(copied) == before
    last = BEGIN - timedelta(seconds=1)
    assert {host["host"]: host["status"] for host in hosts} == proxmon.connect(data).status(at=last).to_dict()


def test_a_file_is_served_only_where_that_was_said(bundle: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "proxmon", "serve", "--port", "0", "--data", str(bundle)]
    environment = os.environ | {"DASHBOARD_PASSWORD_HASH": hash_password("secret")}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, "--read-only" in ended.stderr) == (1, True)


def test_what_is_no_copy_of_ours_is_said(data: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 1000)
    with pytest.raises(StoreUnavailableError, match=r"letter\.txt"):
        proxmon.connect(tmp_path / "letter.txt").hosts()
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    with pytest.raises(StoreUnavailableError, match=r"other\.duckdb"):
        proxmon.connect(tmp_path / "other.duckdb").hosts()
    with pytest.raises(NotFoundError):
        proxmon.connect(tmp_path / "nowhere.duckdb").hosts()


def test_a_bundle_of_an_older_proxmon_is_read_and_stays_as_it_is(bundle: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.duckdb"
    old.write_bytes(bundle.read_bytes())
    with duckdb.connect(str(old)) as connection:
        connection.execute("DROP VIEW samples; DROP TABLE base.kept_samples")
        connection.execute("DROP VIEW silences; DROP TABLE base.silences; DROP SEQUENCE base.silence_ids")
        connection.execute("DELETE FROM base.schema_migrations WHERE version >= 4")
        connection.execute("DROP VIEW events; DROP VIEW host_samples; DROP VIEW zpool_scrubs; DROP TABLE base.events")
        connection.execute("ALTER TABLE base.host_samples DROP COLUMN received_at")
        connection.execute("ALTER TABLE base.zpool_scrubs DROP COLUMN received_at")
        connection.execute("ALTER TABLE base.zpool_scrubs DROP COLUMN duration_seconds")
    before = digest(old)
    assert len(proxmon.connect(old).sql("FROM host_samples")) > 5
    assert digest(old) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nobody", "{folder}/b.duckdb", "--at", AT.isoformat()), "nobody"),
        ((HOST, "{folder}/b.duckdb", "--at", "2020-01-01"), "2020-01-01"),
        ((HOST, "{folder}/b.duckdb", "--at", "2120-01-01"), "has come"),
        ((HOST, "{folder}/b.duckdb", "--at", "noon"), "2026-11-20"),
        ((HOST, "{folder}/b.duckdb", "--at", AT.isoformat(), "--span", "long"), "2h"),
        ((HOST, "{folder}/b.duckdb", "--at", AT.isoformat(), "--span", "0h"), "2h"),
        ((HOST, "{folder}/there", "--at", AT.isoformat()), "--force"),
        ((HOST, "{folder}/nowhere/b.duckdb", "--at", AT.isoformat()), "No such file"),
    ],
)
def test_what_cannot_be_bundled_is_said_and_leaves_no_file(
    data: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "there").write_text("mine")
    ended = ask(data, *(one.replace("{folder}", str(tmp_path)) for one in arguments))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert says in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
