"""The one file that hosts run: always the same bytes, and it starts on its own."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from scripted_server import TOKEN, ScriptedServer

from proxmon import agent_bundle
from proxmon.agent.version import VERSION


def test_it_is_the_same_whenever_and_in_whatever_order_it_is_built() -> None:
    first = agent_bundle.build_archive()
    assert agent_bundle.build_archive() == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert agent_bundle.archive_digest(first) == hashlib.sha256(first).hexdigest()


def test_it_holds_the_agent_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO(agent_bundle.build_archive())) as archive:
        names = archive.namelist()
    assert "__main__.py" in names
    assert all(name == "__main__.py" or name.startswith("proxmon_agent/") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.count("/") > 1]


def test_it_needs_nothing_but_python(tmp_path: Path, server: ScriptedServer) -> None:
    program = tmp_path / "proxmon-agent.pyz"
    program.write_bytes(agent_bundle.build_archive())
    argv = [sys.executable, "-I", "-S", str(program), "--server", server.url, "--once"]
    done = subprocess.run(
        [*argv, "--root", str(tmp_path), "--path", str(tmp_path)],
        env={"PROXMON_TOKEN": TOKEN},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert server.messages[0]["agent_version"] == VERSION


def test_it_shows_what_it_makes_of_an_output(tmp_path: Path) -> None:
    program = tmp_path / "proxmon-agent.pyz"
    program.write_bytes(agent_bundle.build_archive())
    done = subprocess.run(
        [sys.executable, str(program), "parse", "zpool-list", "-"],
        input="tank\tONLINE\t5\t0\t100\t5\t95\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["pools"][0]["health"] == "ONLINE"


def test_make_agent_writes_the_file_and_its_digest(tmp_path: Path) -> None:
    target = tmp_path / "dist" / "proxmon-agent.pyz"
    subprocess.run([sys.executable, "-m", "proxmon.agent_bundle", str(target)], check=True, capture_output=True)
    digest, name = (tmp_path / "dist" / "proxmon-agent.pyz.sha256").read_text().split()
    assert name == "proxmon-agent.pyz"
    assert digest == hashlib.sha256(target.read_bytes()).hexdigest()


def test_agent_and_server_are_of_one_version() -> None:
    import proxmon

    assert proxmon.__version__ == VERSION
