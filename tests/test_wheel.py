"""The wheel holds everything that the server needs, its entry points lead to it, and each way to install it works."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.builders import a_message, a_wire_sample
from tests.servers import Server

ROOT = Path(__file__).parent.parent
WAYS = ("pip", "pipx", "uv")


@dataclass
class InstalledServer(Server):
    """The server of a program that was installed, started where nothing of the checkout is in reach."""

    program: Path = Path()

    def _command(self) -> list[str]:
        return [str(self.program), "serve", "--port", str(self.port)]


@pytest.fixture(scope="module")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the wheel, built from a copy of what git tracks."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    subprocess.run(["git", "checkout-index", "--all", f"--prefix={source}/"], cwd=ROOT, check=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(target), str(source)]
    subprocess.run(build, check=True, timeout=300)
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> zipfile.ZipFile:
    """Give what is in the wheel."""
    return zipfile.ZipFile(wheel_file)


@pytest.fixture(scope="module")
def packages(wheel_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with the wheel and all that it needs, so that each installer takes the same."""
    found = tmp_path_factory.mktemp("packages")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", found, wheel_file)
    return found


def run(*command: str | Path, **environment: str) -> None:
    subprocess.run([str(part) for part in command], check=True, timeout=600, env=os.environ | environment)


def install(way: str, packages: Path, home: Path) -> Path:
    """Install the wheel as its users do; return the program. pipx fetches a pip of its own, beside what is there."""
    tools = home / "tools" / "bin"
    run(sys.executable, "-m", "venv", tools.parent)
    local = ("--no-index", "--find-links", packages)
    if way == "pip":
        run(tools / "pip", "install", "--quiet", *local, "proxmon")
        return tools / "proxmon"
    run(tools / "pip", "install", "--quiet", way)
    places = {
        "PIPX_HOME": "pipx",
        "PIPX_BIN_DIR": "bin",
        "UV_TOOL_DIR": "uv",
        "UV_TOOL_BIN_DIR": "bin",
        "UV_CACHE_DIR": "cache",
    }
    environment = {name: str(home / place) for name, place in places.items()}
    if way == "pipx":
        run(tools / "pipx", "install", "--pip-args", f"--find-links {packages}", "proxmon", **environment)
    else:
        run(tools / "uv", "tool", "install", "--python", sys.executable, "--offline", *local, "proxmon", **environment)
    return home / "bin" / "proxmon"


@pytest.mark.skipif(not os.environ.get("PROXMON_SOAK"), reason="installs three times over: make soak")
@pytest.mark.parametrize("way", WAYS)
def test_what_was_installed_from_the_wheel_serves(way: str, packages: Path, tmp_path: Path) -> None:
    program = install(way, packages, tmp_path)
    server = InstalledServer(tmp_path / "data", program=program, folder=tmp_path).start()
    try:
        token = server.add_host("pve-01")
        assert server.post(token, a_message(a_wire_sample())).json() == {"stored": 1, "duplicates": 0}
        page = server.log_in().get(server.url + "/", timeout=30)
        assert page.status_code == 200
        assert "pve-01" in page.text
    finally:
        server.stop()


def test_every_file_of_the_packages_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "proxmon", "storage", "dashboards", "app.py"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert sorted(set(tracked) - set(wheel.namelist())) == []


def test_nothing_else_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0].split("-")[0] for name in wheel.namelist()}
    assert tops == {"proxmon", "storage", "dashboards", "app.py"}


def test_the_entry_points_are_there(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    text = wheel.read(name).decode()
    for line in ("proxmon = proxmon.cli:main", "proxmon = proxmon.panel_entry:HandedOver"):
        assert line in text
