"""The install script against a real download and a real agent, below another root and with a stand-in for systemd."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypervisor import environment
from scripted_server import TOKEN, ScriptedServer

from proxmon.agent_bundle import archive_digest, build_archive
from proxmon.install import install_command

SCRIPT = Path(__file__).resolve().parents[2] / "proxmon" / "assets" / "install.sh"
SYSTEMCTL = """#!/bin/sh
echo "$*" >> '{folder}/systemctl.log'
case $1 in
    is-active) [ -f '{folder}/pid' ] ;;
    start)
        python3 -I '{root}/usr/local/lib/proxmon-agent/proxmon-agent.pyz' --config '{root}/etc/proxmon-agent.conf' \\
            --server '{server}' --spool '{root}/var/lib/proxmon-agent' --root '{folder}' --path '{folder}' \\
            >/dev/null 2>&1 &
        echo $! > '{folder}/pid' ;;
    stop | disable) if [ -f '{folder}/pid' ]; then
        kill "$(cat '{folder}/pid')"
        while kill -0 "$(cat '{folder}/pid')" 2>/dev/null; do sleep 0.05; done
        rm '{folder}/pid'; fi ;;
esac
"""


class Quiet(SimpleHTTPRequestHandler):
    """Offers the downloads, and takes every token but those that were rotated since."""

    refused: tuple[str, ...] = ()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        is_refused = self.headers["Authorization"].removeprefix("Bearer ") in self.refused
        body = b'{"error": "unknown token"}' if is_refused else b'{"stored": 0, "duplicates": 0}'
        self.send_response(401 if is_refused else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


class Host:
    """A host to install on: its root, the programs it has, and the addresses of the downloads and of the ingest."""

    def __init__(self, folder: Path, downloads: str, server: ScriptedServer) -> None:
        self.folder, self.root, self.downloads = folder, folder / "root", downloads
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.root.mkdir()
        self._fake("systemctl", SYSTEMCTL.format(folder=folder, root=self.root, server=server.url))
        self._fake("useradd", f"#!/bin/sh\necho \"$*\" >> '{folder}/useradd.log'\n")
        self._fake("userdel", f"#!/bin/sh\necho \"$*\" >> '{folder}/userdel.log'\n")
        self._fake("getent", "#!/bin/sh\nexit 0\n")
        self._fake("id", f"#!/bin/sh\n[ \"$1\" = -u ] && exec echo $FAKE_UID\n[ -f '{folder}/useradd.log' ]\n")
        self._fake("chown", "#!/bin/sh\nexit 0\n")

    def run(
        self, *arguments: str, token: str = "", stdin: str = "", destdir: str | None = None, uid: int = 0, **more: str
    ) -> subprocess.CompletedProcess[str]:
        script = self.folder / "proxmon-install.sh"
        script.write_text(SCRIPT.read_text().replace("@PROXMON_SERVER@", self.downloads))
        extra = {"PROXMON_DESTDIR": str(self.root) if destdir is None else destdir, **more}
        extra |= {"PATH": f"{self.bin}:{os.environ['PATH']}", "FAKE_UID": str(uid)}
        if token:
            extra["PROXMON_TOKEN"] = token
        return subprocess.run(
            ["sh", str(script), *arguments],
            env={**environment(), "PROXMON_WAIT_SECONDS": "8", **extra},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def record_arguments(self, tool: str) -> None:
        self._fake(tool, f'#!/bin/sh\necho "$*" >> {self.folder}/arguments.log\nexec {shutil.which(tool)} "$@"\n')

    def file(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def snapshot(self) -> dict[str, tuple[int, bytes]]:
        files = [path for path in self.root.rglob("*") if path.is_file() and "var/lib" not in str(path)]
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    def _fake(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "downloads" / "agent"
    folder.mkdir(parents=True)
    archive = build_archive()
    (folder / "proxmon-agent.pyz").write_bytes(archive)
    (folder / "proxmon-agent.pyz.sha256").write_text(f"{archive_digest(archive)}  proxmon-agent.pyz\n")
    return folder


@pytest.fixture
def host(tmp_path: Path, downloads: Path, server: ScriptedServer) -> Iterator[Host]:
    files = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(downloads.parent)))
    threading.Thread(target=files.serve_forever, args=(0.01,), daemon=True).start()
    host = Host(tmp_path, f"http://127.0.0.1:{files.server_address[1]}", server)
    yield host
    if (tmp_path / "pid").exists():
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    files.shutdown()
    files.server_close()


def test_it_installs_starts_and_waits_for_the_first_accepted_sample(host: Host, server: ScriptedServer) -> None:
    done = host.run(token=TOKEN)
    assert done.returncode == 0, done.stderr
    assert "accepted this host's first sample" in done.stdout
    assert server.stored
    config = host.file("/etc/proxmon-agent.conf")
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert f"token = {TOKEN}\n" in config.read_text()
    assert f"server = {host.downloads}\n" in config.read_text()


def test_it_says_what_it_will_do_before_it_does_it(host: Host) -> None:
    done = host.run(stdin="\n")
    assert "/etc/systemd/system/proxmon-agent.service" in done.stdout
    assert "that is no token" in done.stderr
    assert host.snapshot() == {}, "an empty token changes nothing"


def test_a_second_run_changes_nothing(host: Host) -> None:
    host.run(token=TOKEN)
    before = host.snapshot()
    again = host.run()
    assert again.returncode == 0, again.stderr
    assert "Nothing had to be changed" in again.stdout
    assert host.snapshot() == before
    assert (host.folder / "systemctl.log").read_text().count("start") == 1


def test_the_token_can_come_from_standard_input_and_is_never_printed(host: Host) -> None:
    done = host.run(stdin=TOKEN + "\n")
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_a_rotated_token_replaces_the_old_one_and_the_server_takes_it(host: Host, server: ScriptedServer) -> None:
    host.run(token="the-token-before-it-was-rotated")
    assert not server.stored
    again = host.run(stdin=TOKEN + "\n")
    assert again.returncode == 0, again.stderr
    assert re.findall(r"token = (.*)", host.file("/etc/proxmon-agent.conf").read_text()) == [TOKEN]
    assert "accepted this host's first sample" in again.stdout
    assert server.stored


def test_a_new_token_that_is_refused_is_not_taken_for_the_old_ones_success(host: Host) -> None:
    assert host.run(token=TOKEN).returncode == 0
    again = host.run(stdin="a-token-of-nobody\n")
    assert again.returncode == 1
    assert "refuses this host's token" in again.stderr


def test_a_second_run_does_not_call_a_refused_token_fine(host: Host) -> None:
    host.run(token="another-token")
    again = host.run()
    assert again.returncode == 1
    assert "refuses this host's token" in again.stderr


@pytest.mark.parametrize("token", ["a b", 'a"b', "a\nserver = http://elsewhere", "$(id)", "a;b", "ä" * 43, "x" * 201])
def test_what_is_no_token_changes_nothing(host: Host, token: str) -> None:
    done = host.run(token=token)
    assert done.returncode == 1
    assert "token" in done.stderr
    assert host.snapshot() == {}


def test_a_token_that_the_server_refuses_changes_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Quiet, "refused", ("another-hosts-token",))
    done = host.run(token="another-hosts-token")
    assert done.returncode == 1
    assert re.search("refuses this host's token.*Nothing was changed", done.stderr)
    assert host.snapshot() == {}
    assert not (host.folder / "systemctl.log").exists()


def test_a_token_pasted_with_a_line_end_of_windows_is_taken(host: Host) -> None:
    assert host.run(stdin=TOKEN + "\r\n").returncode == 0


def test_no_program_is_given_the_token_as_an_argument(host: Host) -> None:
    tools = ("cat", "chmod", "cmp", "cp", "curl", "dirname", "grep", "mkdir", "mktemp", "mv", "rm", "sed", "sha256sum")
    for tool in (*tools, "sleep"):
        host.record_arguments(tool)
    assert host.run(stdin=TOKEN + "\n").returncode == 0
    arguments = (host.folder / "arguments.log").read_text()
    assert "proxmon-agent.pyz" in arguments
    assert TOKEN not in arguments


def test_the_line_needs_no_sudo() -> None:
    line = install_command("https://monitor.example/")
    assert line == "curl -fsSL https://monitor.example/agent/install.sh -o proxmon-install.sh && sh proxmon-install.sh"


def test_without_root_it_says_how_to_become_root(host: Host) -> None:
    done = host.run(destdir="", uid=1000)
    assert done.returncode == 1
    assert "root shell (su -)" in done.stderr
    assert host.snapshot() == {}


def test_an_authority_of_its_own_is_kept_where_the_agent_can_read_it(host: Host, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    host.run(token=TOKEN, PROXMON_CA_FILE=str(authority))
    assert host.file("/etc/proxmon-agent-ca.pem").read_text() == authority.read_text()
    config = host.file("/etc/proxmon-agent.conf").read_text()
    assert "ca_file = /etc/proxmon-agent-ca.pem\n" in config
    authority.unlink()
    host.run()
    assert host.file("/etc/proxmon-agent.conf").read_text() == config


def test_an_authority_that_is_none_changes_nothing(host: Host, tmp_path: Path) -> None:
    done = host.run(token=TOKEN, PROXMON_CA_FILE=str(tmp_path / "absent"))
    assert done.returncode == 1
    assert "PROXMON_CA_FILE" in done.stderr
    assert host.snapshot() == {}


def test_the_note_for_an_upgrade_does_not_follow_a_link(host: Host, downloads: Path) -> None:
    host.run(token=TOKEN)
    precious = host.folder / "precious"
    precious.write_text("mine")
    host.file("/var/lib/proxmon-agent/stop-reason").symlink_to(precious)
    newer = build_archive() + b"\n"
    (downloads / "proxmon-agent.pyz").write_bytes(newer)
    (downloads / "proxmon-agent.pyz.sha256").write_text(f"{archive_digest(newer)}  proxmon-agent.pyz\n")
    assert host.run("upgrade").returncode == 0
    assert precious.read_text() == "mine"


def test_an_address_that_is_none_is_refused(host: Host) -> None:
    done = host.run(token=TOKEN, PROXMON_SERVER="http://monitor/$(id)")
    assert done.returncode == 1
    assert "odd characters" in done.stderr


def test_a_refused_token_is_said_and_ends_with_an_error(host: Host) -> None:
    done = host.run(token="another-token")
    assert done.returncode == 1
    assert "refuses this host's token" in done.stderr


def test_a_download_that_does_not_match_its_digest_changes_nothing(host: Host, downloads: Path) -> None:
    with (downloads / "proxmon-agent.pyz").open("ab") as file:
        file.write(b"tampered")
    done = host.run(token=TOKEN)
    assert done.returncode == 1
    assert "does not match its SHA-256 digest" in done.stderr
    assert host.snapshot() == {}


def test_an_upgrade_replaces_the_program_and_keeps_the_settings(
    host: Host, downloads: Path, server: ScriptedServer
) -> None:
    host.run(token=TOKEN)
    config = host.file("/etc/proxmon-agent.conf")
    config.write_text(config.read_text() + "interval = 30\n")
    newer = build_archive() + b"\n"
    (downloads / "proxmon-agent.pyz").write_bytes(newer)
    (downloads / "proxmon-agent.pyz.sha256").write_text(f"{archive_digest(newer)}  proxmon-agent.pyz\n")
    done = host.run("upgrade")
    assert done.returncode == 0, done.stderr
    assert host.file("/usr/local/lib/proxmon-agent/proxmon-agent.pyz").read_bytes() == newer
    assert "interval = 30\n" in config.read_text()
    server.wait_for(lambda: {"reason": "upgrade"} in server.goodbyes)


def test_a_new_token_replaces_the_old_one_and_nothing_else(host: Host) -> None:
    host.run(token="an-old-token")
    config = host.file("/etc/proxmon-agent.conf")
    config.write_text(config.read_text() + "# mine\n")
    host.run(token=TOKEN)
    assert re.findall(r"token = (.*)", config.read_text()) == [TOKEN]
    assert "# mine\n" in config.read_text()


def test_uninstalling_leaves_nothing(host: Host, server: ScriptedServer) -> None:
    host.run(token=TOKEN)
    done = host.run("uninstall")
    assert done.returncode == 0, done.stderr
    assert [path for path in host.root.rglob("*") if path.is_file()] == []
    assert (host.folder / "userdel.log").read_text() == "proxmon-agent\n"
    server.wait_for(lambda: bool(server.goodbyes))


def test_the_service_is_restricted(host: Host) -> None:
    host.run(token=TOKEN)
    unit = host.file("/etc/systemd/system/proxmon-agent.service").read_text()
    for line in ("User=proxmon-agent", "ProtectSystem=strict", "NoNewPrivileges=yes", "DeviceAllow=/dev/zfs rw"):
        assert f"\n{line}\n" in unit
    assert re.search(r"^MemoryMax=", unit, re.MULTILINE)
    assert re.search(r"^CPUQuota=", unit, re.MULTILINE)
    assert TOKEN not in unit


def test_upgrading_what_is_not_installed_is_refused(host: Host) -> None:
    done = host.run("upgrade")
    assert done.returncode == 1
    assert "not installed" in done.stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
