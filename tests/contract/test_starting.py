"""Both ways of starting give our server wherever they are called, and refuse in one sentence what they cannot do."""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from bokeh.command.subcommands.serve import Serve as BokehServe
from panel.command.serve import Serve

from dashboards.panel_serve import given_options, panel_settings, unused_options
from dashboards.server import check_certificate
from proxmon.auth import hash_password
from proxmon.config import Settings
from proxmon.control import private_key
from proxmon.errors import SettingsError
from tests.servers import ROOT, WAYS, Server

PASSWORD_HASH = hash_password("secret")
STRANGER = "raise RuntimeError('this is a stranger')\n"


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """Give a folder where a stranger's files have the names of our parts."""
    folder = tmp_path / "crowded"
    for name in ("app.py", "storage/__init__.py", "dashboards/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(STRANGER)
    return folder


def assert_is_the_monitor(server: Server) -> None:
    page = requests.get(f"{server.url}/", allow_redirects=False, timeout=30)
    assert page.status_code == 302
    assert page.headers["Location"].startswith("/login")
    assert server.log_in().get(f"{server.url}/admin/hosts", timeout=30).status_code == 200
    assert requests.post(f"{server.url}/api/ingest", timeout=30).status_code == 401


def test_a_strangers_files_are_not_taken_for_our_parts(crowded: Path, tmp_path: Path) -> None:
    server = Server(tmp_path / "data", folder=crowded).start()
    try:
        assert_is_the_monitor(server)
    finally:
        server.stop()


@pytest.mark.parametrize("change", [str, lambda text: f"# Ours.\n{text}\nNOTE = 1\n", lambda text: f"{text}\n(\n"])
def test_a_copied_or_edited_app_is_served_like_the_installed_one(tmp_path: Path, change: Any) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    text = change((ROOT / "app.py").read_text())
    (folder / "app.py").write_text(text)
    server = Server(tmp_path / "data", way=WAYS[1], folder=folder).start()
    try:
        assert_is_the_monitor(server)
        assert ("differs from the installed" in server.log()) is (text != (ROOT / "app.py").read_text())
    finally:
        server.stop()


@pytest.fixture
def strangers_url(crowded: Path) -> Iterator[str]:
    """Give the address of a stranger's app under Panel's own server, beside packages with the names of ours."""
    (crowded / "app.py").write_text("import dashboards\nimport panel as pn\npn.pane.Str(dashboards.NAME).servable()\n")
    (crowded / "dashboards/__init__.py").write_text("NAME = 'a stranger'\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "panel", "serve", "app.py", "--port", str(port)]
    with (crowded / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=crowded, stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)
    assert "Error" not in (crowded / "log").read_text()


def test_another_app_stays_panels_own(strangers_url: str) -> None:
    page = answer_of(f"{strangers_url}/app")
    assert page.status_code == 200
    assert "/login" not in page.url


def answer_of(url: str) -> requests.Response:
    deadline = time.monotonic() + 30
    while True:
        try:
            return requests.get(url, timeout=5)
        except requests.ConnectionError:
            assert time.monotonic() < deadline, f"nothing answers at {url}"
            time.sleep(0.1)


def parsed(*options: str) -> dict[str, Any]:
    """Return what Panel's command makes of options, without its defaults."""
    parser = argparse.ArgumentParser()
    command: BokehServe = Serve(parser)
    return given_options(command, parser.parse_args(["app.py", *options]))


def test_panels_options_mean_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXMON_PORT", "6006")
    assert panel_settings(parsed()).port == 6006
    settings = panel_settings(
        parsed(
            *("--address", "0.0.0.0", "--port", "5007", "--prefix", "mon", "--use-xheaders"),
            *("--allow-websocket-origin", "a.example", "--allow-websocket-origin", "b.example:8443"),
            *(
                "--ssl-certfile",
                "cert.pem",
                "--ssl-keyfile",
                "key.pem",
                "--keep-alive",
                "10000",
                "--log-level",
                "debug",
            ),
        )
    )
    assert (settings.address, settings.port, settings.root, settings.trust_proxy) == ("0.0.0.0", 5007, "/mon", True)
    assert settings.allowed_origins == {"a.example", "b.example:8443"}
    assert (settings.tls_certificate, settings.tls_key) == ("cert.pem", "key.pem")


def test_bokehs_variables_mean_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOKEH_SSL_CERTFILE", "cert.pem")
    monkeypatch.setenv("BOKEH_ALLOW_WS_ORIGIN", "a.example,b.example")
    settings = panel_settings(parsed())
    assert settings.scheme == "https"
    assert settings.allowed_origins == {"a.example", "b.example"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--num-procs 2", "one process"),
        ("--basic-auth secret", "DASHBOARD_PASSWORD_HASH"),
        ("--oauth-provider github", "DASHBOARD_PASSWORD_HASH"),
        ("--unix-socket /tmp/x", "PROXMON_ADDRESS"),
        ("--root-path /x", "--prefix"),
        ("--static-dirs a=b", "docs/settings.md"),
        ("--setup x.py", "docs/settings.md"),
        ("--plugins x", "docs/settings.md"),
        ("--session-ids signed", "docs/settings.md"),
        ("--auth-module x.py", "DASHBOARD_PASSWORD_HASH"),
        ("--port 70000", "65535"),
    ],
)
def test_options_that_would_weaken_something_or_cannot_work_are_refused(options: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        panel_settings(parsed(*options.split()))


COMFORTS = ("--show", "--autoreload", "--num-threads", "4", "--cookie-secret", "x", "--liveness", "--admin")


def test_options_that_change_nothing_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panel.config.autoreload", True)  # Panel moves the option there before it asks
    options = parsed(*COMFORTS, "--allow-websocket-origin", "*", "--allow-websocket-origin", "a.example")
    assert panel_settings(options).allowed_origins == {"a.example"}
    unused = unused_options(options)
    for option in (*(one for one in COMFORTS if one.startswith("--")), "the websocket origin *"):
        assert [note for note in unused if note.startswith(option)] != [], option


def test_what_is_used_is_not_noted() -> None:
    assert unused_options(parsed("--port", "1", "--prefix", "x", "--warm", "--allow-websocket-origin=a.example")) == []


def test_panel_serve_says_once_what_it_does_not_use(tmp_path: Path) -> None:
    options = ("--show", "--dev", "--allow-websocket-origin=*", "--address", "127.0.0.1")
    server = Server(tmp_path / "data", way=WAYS[1], arguments=options).start()
    try:
        assert_is_the_monitor(server)
        (note,) = [line for line in server.log().splitlines() if "Not used" in line]
        assert re.search(r"--show \(.*--autoreload \(.*websocket origin \* \(", note)
    finally:
        server.stop()


@pytest.mark.parametrize(("options", "says"), [(("--num-procs=2",), "one process"), (("other.py",), "by itself")])
def test_panel_serve_ends_with_one_sentence(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    environment = os.environ | {"PROXMON_DATA": str(tmp_path)}
    command = [sys.executable, "-m", "panel", "serve", "app.py", *options]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


def refused(tmp_path: Path, *options: str, **settings: str) -> str:
    """Start a server that must not start and return the one sentence that it says."""
    environment = os.environ | {"PROXMON_DATA": str(tmp_path / "data"), "DASHBOARD_PASSWORD_HASH": PASSWORD_HASH}
    ended = subprocess.run(
        [sys.executable, "-m", "proxmon", "serve", "--port", "0", *options],
        env=environment | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    (sentence,) = ended.stderr.splitlines()
    return sentence


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--port", "70000"), "0 to 65535"),
        (("--port", "abc"), "0 to 65535"),
        (("--address", "203.0.113.9"), "address of this machine"),
        (("--address", "nonsense..host"), "address of this machine"),
        (("--data", "/proc/nowhere"), "/proc/nowhere"),
        (("--data", __file__), "PROXMON_DATA"),
    ],
)
def test_what_cannot_be_listened_on_is_said_in_one_sentence(
    tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    assert says in refused(tmp_path, *options)


@pytest.mark.parametrize("name", ["cookie.key", "server.json", "fleet.duckdb"])
def test_a_file_that_cannot_be_used_is_said_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / name / "in the way").mkdir(parents=True)
    assert name in refused(tmp_path)


@pytest.mark.parametrize("text", ["", "short", "z" * 64])
def test_a_damaged_key_is_refused_and_not_used(tmp_path: Path, text: str) -> None:
    (tmp_path / "cookie.key").write_text(text)
    with pytest.raises(SettingsError, match=f"Remove {tmp_path}/cookie.key"):
        private_key(tmp_path / "cookie.key")


def test_a_hash_that_was_cut_is_said_in_one_sentence_that_does_not_show_it(tmp_path: Path) -> None:
    sentence = refused(tmp_path, DASHBOARD_PASSWORD_HASH=PASSWORD_HASH[:80])
    assert "proxmon hash-password" in sentence
    assert PASSWORD_HASH[-40:] not in sentence
    assert "$" not in sentence


def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} is in use" in refused(tmp_path, "--port", str(port))


@pytest.mark.parametrize("file", ["missing.pem", "text.pem"])
def test_a_certificate_that_cannot_be_used_is_said_in_one_sentence(tmp_path: Path, file: str) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    assert "PEM" in refused(tmp_path, PROXMON_TLS_CERTIFICATE=str(tmp_path / file))


@pytest.mark.parametrize("missing", ["cert", "key"])
def test_a_file_of_a_certificate_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    files = {name: tmp_path / f"{name}.pem" for name in ("cert", "key")}
    for name in files.keys() - {missing}:
        files[name].write_text("no certificate")
    settings = Settings(tls_certificate=str(files["cert"]), tls_key=str(files["key"]))
    with pytest.raises(SettingsError, match=f"PEM.*{missing}.pem"):
        check_certificate(settings)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Give a file with a key and a certificate for another name than the local one."""
    made, subject = tmp_path / "both.pem", ("-subj", "/CN=mon.example", "-addext", "subjectAltName=DNS:mon.example")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(made))
    argv = ("openssl", "req", "-x509", "-days", "2", *subject, *key, "-out", str(tmp_path / "cert.pem"))
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    made.write_text(made.read_text() + (tmp_path / "cert.pem").read_text())
    return made


def test_panel_serves_https_with_its_own_options(tmp_path: Path, certificate: Path) -> None:
    options = ("--ssl-certfile", str(certificate))
    server = Server(tmp_path / "data", way=WAYS[1], arguments=options).start()
    try:
        url = server.log().split("listens on ")[1].split()[0]
        assert url.startswith("https://127.0.0.1:")
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{url}/healthz", timeout=30)
        # Programs on this machine, which cannot check that certificate, have a way of their own.
        assert server.add_host("pve-01")
        assert server.control.reach.url.startswith("https://")
    finally:
        server.stop()


@pytest.mark.parametrize(("way", "level", "is_logged"), [(WAYS[0], "warning", True), (WAYS[1], "error", False)])
def test_the_log_has_one_json_object_a_line_and_what_the_level_asks_for(
    tmp_path: Path, way: str, level: str, is_logged: bool
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)  # of which the server warns, whatever this process's umask is
    names = {"PROXMON_SCRUB_MAX_DAY": "3", "PROXMON_INTERVAL": "3"}  # no setting, and one of the agent
    logging = {"PROXMON_LOG_FORMAT": "json", "PROXMON_LOG_LEVEL": level, **names}
    server = Server(data, way=way, environment=logging).start()
    server.stop()
    lines = (tmp_path / "data.log").read_text().splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    assert [entry["level"] for entry in entries if "chmod 700" in entry["message"]] == ["warning"] * is_logged
    unknown = [entry["message"] for entry in entries if "PROXMON_" in entry["message"]]
    assert ["PROXMON_INTERVAL" in message for message in unknown] == [False] * is_logged
    assert all(set(entry) >= {"time", "level", "logger", "message"} for entry in entries)
    # What is no entry is what the commands print for people.
    assert not [line for line in lines if not line.startswith("{") and "WARNING" in line]
