"""The one file that hosts run: always the same bytes, and it starts on its own."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from hypervisor import Hypervisor
from scripted_server import TOKEN, ScriptedServer

from proxmon import agent_bundle
from proxmon.agent.version import VERSION
from tests.agent.captures import sample


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


def a_python(path: str) -> tuple[tuple[int, ...], str]:
    """Return version and path of a Python; a program that is none, or that cannot say it, is version 0."""
    argv = [path, "-I", "-c", "import sys; print(*sys.version_info[:2])"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else (0,), path


def the_oldest_python() -> str:
    """Return the oldest Python from 3.9 on that is on the path or that pyenv has installed, else the one that runs."""
    names = [f"python3.{minor}" for minor in range(9, 15)]
    found = [path for path in map(shutil.which, names) if path]
    found += [str(path) for path in Path.home().glob(".pyenv/versions/3.*/bin/python3")]
    return min((version, path) for version, path in map(a_python, [*found, sys.executable]) if version >= (3, 9))[1]


def test_it_runs_under_the_oldest_python_at_hand(
    tmp_path: Path, hypervisor: Hypervisor, server: ScriptedServer
) -> None:
    program, python = tmp_path / "proxmon-agent.pyz", the_oldest_python()
    program.write_bytes(agent_bundle.build_archive())
    hypervisor.add_disk("sda", "WD-1")
    argv = [python, "-I", "-W", "error", str(program), "--server", server.url, "--once", "--self-report"]
    done = subprocess.run(
        [*argv, "--root", str(hypervisor.root), "--path", hypervisor.path],
        env={"PROXMON_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "3 samples stored" in done.stdout
    samples = [sample["payload"] for sample in server.stored.values()]
    sections = {name: section for payload in samples for name, section in payload.items()}
    assert not [name for name, section in sections.items() if "error" in section], sections
    assert {"host", "zfs_pools", "zfs_datasets", "vms_runtime", "system_info", "disks", "backups"} <= sections.keys()
    status = sample("composed", "draid.txt")
    told = subprocess.run(
        [python, "-I", str(program), "parse", "zpool-status", "-", "--zone", "local"],
        input=status,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(told.stdout)["pools"][0]["vdevs"][0]["kind"] == "draid2"


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
