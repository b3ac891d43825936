"""The agent as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypervisor import Hypervisor, environment
from scripted_server import TOKEN, ScriptedServer, answer

from proxmon.agent import main as agent_main
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
# The tests run the agent under another Python, the oldest at hand, when this names one.
PYTHON = os.environ.get("PROXMON_AGENT_PYTHON", sys.executable)


class Process:
    """One running agent."""

    def __init__(self, folder: Path, hypervisor: Hypervisor, url: str, *more: str, token: str = TOKEN) -> None:
        self.log = folder / "agent.log"
        argv = [PYTHON, "-m", "proxmon.agent", "--server", url, "--root", str(hypervisor.root)]
        argv += ["--path", hypervisor.path, "--spool", str(folder / "spool"), *more]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                argv, cwd=ROOT, env={**environment(), "PROXMON_TOKEN": token}, stdout=log, stderr=log
            )
        self.pid = self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(15)


@pytest.fixture
def started(tmp_path: Path, hypervisor: Hypervisor, server: ScriptedServer) -> Iterator[Any]:
    processes: list[Process] = []

    def start(*more: str, **changes: Any) -> Process:
        process = Process(tmp_path, hypervisor, server.url, *more, **changes)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.stop(signal.SIGKILL)


def once(hypervisor: Hypervisor, url: str, *more: str, given: str = "") -> subprocess.CompletedProcess[str]:
    argv = [PYTHON, "-m", "proxmon.agent", "--server", url, "--root", str(hypervisor.root), "--path", hypervisor.path]
    environ = {**environment(), "PROXMON_TOKEN": TOKEN}
    return subprocess.run(
        [*argv, "--once", *more],
        input=given,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_once_sends_every_tier_and_says_so_in_one_line(hypervisor: Hypervisor, server: ScriptedServer) -> None:
    done = once(hypervisor, server.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 samples stored, 0 were there already")
    assert done.stdout.count("\n") == 1
    assert {tier for tier, _ in server.stored} == {"fast", "medium", "slow"}
    assert server.goodbyes == []


def test_once_without_a_server_fails(hypervisor: Hypervisor, server: ScriptedServer) -> None:
    server.stop()
    done = once(hypervisor, server.url)
    assert done.returncode == 1
    assert "nothing was stored" in done.stderr


def test_once_with_a_refused_token_says_what_to_do(hypervisor: Hypervisor, server: ScriptedServer) -> None:
    server.script = [answer(401, {"error": "unknown token"})]
    done = once(hypervisor, server.url)
    assert done.returncode == 1
    assert "proxmon hosts rotate" in done.stderr


def test_the_self_report_says_what_the_agent_costs(hypervisor: Hypervisor) -> None:
    argv = [PYTHON, "-m", "proxmon.agent", "--self-report", "--root", str(hypervisor.root), "--path", hypervisor.path]
    done = subprocess.run(argv, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("cpu", "memory", "programs", "zfs_pools"):
        assert word in done.stdout


def test_it_runs_until_it_is_told_to_stop_and_says_goodbye(started: Any, server: ScriptedServer) -> None:
    process = started("--interval", "0.2")
    server.wait_for(lambda: sum(tier == "fast" for tier, _ in server.stored) >= 3)
    assert process.stop() == 0
    assert len(server.goodbyes) == 1
    assert TOKEN not in process.log.read_text()


BUSY = """
import os, threading
from proxmon.agent.main import catch_signals
told = catch_signals()
def work():
    while True: sum(range(200))
for _ in range(3): threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
os.read(told, 1)
"""


@pytest.mark.parametrize("pause", range(0, 60, 3))
def test_signals_that_come_together_do_not_hold_it_up(pause: int) -> None:
    with subprocess.Popen([PYTHON, "-c", BUSY], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)  # Ctrl-C in a terminal, and then the end of the program that started it
        time.sleep(pause * 1e-4)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) in (0, -signal.SIGTERM)  # which may meet it on its way out


def test_its_own_cost_is_part_of_the_fast_sample(started: Any, server: ScriptedServer) -> None:
    started("--interval", "0.2")
    server.wait_for(lambda: sum(tier == "fast" for tier, _ in server.stored) >= 2)
    agent = server.section("fast", "agent")
    assert agent["version"]
    assert agent["cpu_seconds"] > 0
    assert agent["peak_rss_bytes"] > 1 << 20
    assert agent["programs_run"] >= 2
    assert {"host", "zfs_pools", "vms_runtime"} <= set(agent["sections"])
    assert agent["spool"]["dropped"] == 0


def test_a_hanging_zpool_does_not_delay_the_others_and_nothing_is_left_running(
    started: Any, hypervisor: Hypervisor, server: ScriptedServer
) -> None:
    hypervisor.set_mood("hanging", "zpool", "zfs")
    hypervisor.set_kernel_state("rpool", "SUSPENDED")
    process = started("--interval", "0.4")
    server.wait_for(lambda: sum(tier == "fast" for tier, _ in server.stored) >= 4)
    assert server.section("fast", "zfs_pools")["pools"] == [{"name": "rpool", "health": "SUSPENDED"}]
    assert server.section("fast", "host")["load1"] == 0.5
    assert len(hypervisor.calls("zpool")) <= 2
    sleepers = children_of(process.pid)
    assert sleepers
    assert process.stop() == 0
    assert not [pid for pid in sleepers if is_running(pid)]


def children_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    listed = [int(word) for path in children for word in path.read_text().split()]
    return listed or [int(path.name) for path in Path("/proc").glob("[0-9]*") if parent_of(path) == pid]


def parent_of(path: Path) -> int:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_killed_agent_had_collected_arrives_once_after_its_restart(
    started: Any, tmp_path: Path, server: ScriptedServer
) -> None:
    server.stop()
    first = started("--interval", "0.2")
    spool = tmp_path / "spool"
    wait_for(lambda: len(list(spool.glob("*-fast.sample"))) >= 5)
    first.stop(signal.SIGKILL)
    waiting = {json.loads(zlib.decompress(path.read_bytes()))["collected_at"] for path in spool.glob("*.sample")}
    server.start()
    started("--interval", "0.2")
    server.wait_for(lambda: waiting <= {moment for _, moment in server.stored}, 20)
    assert all(message["samples"] for message in server.messages)


def test_settings_that_cannot_be_are_said_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert agent_main.main(["--server", "monitor:5006", "--token", "x"]) == 2
    assert "is not an address such as" in capsys.readouterr().err


def test_a_config_that_is_a_pipe_is_read_once(hypervisor: Hypervisor, server: ScriptedServer) -> None:
    done = once(hypervisor, server.url, "--config", "/dev/stdin", given="interval = 30\nlater = 1\n")
    assert done.returncode == 0, done.stderr
    assert "does not know: later" in done.stderr
    assert server.messages[0]["interval_s"] == 30.0


def test_an_authority_that_is_missing_at_the_start_stops_no_agent_that_runs_on(
    started: Any, server: ScriptedServer, tmp_path: Path
) -> None:
    agent = started("--ca-file", str(tmp_path / "ca.pem"))
    wait_for(lambda: server.stored or agent.has_ended)
    assert agent.stop() == 0
    assert agent.log.read_text().count("ca.pem cannot be read") == 1


def test_parse_is_part_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert agent_main.main(["parse", "no-such-kind", "-"]) == 2
    assert "zpool-status" in capsys.readouterr().err
