"""A server that is told to stop ends soon and in order, whatever is open, and keeps what it acknowledged."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from proxmon.auth import hash_password
from proxmon.control import read_control
from tests.builders import NOW, a_message, a_wire_sample, iso
from tests.contract.test_lane import Agent, a_raw_connection, a_request
from tests.contract.test_login import open_socket
from tests.servers import ROOT, WAYS, Server
from tests.waiting import wait_for

STOP_SECONDS = 5  # what is promised; twice as long where much else runs
# Also where whoever runs the tests has told them to ignore a closed terminal, which is passed on.
HEARING = ("env", "--default-signal=HUP", sys.executable)
ENDLESS = "SELECT count(*) FROM range(1000000000000) AS many(n) WHERE n % 7 = 3"


@pytest.mark.parametrize(("way", "told"), [(WAYS[0], signal.SIGTERM), (WAYS[1], signal.SIGINT)])
def test_it_ends_with_pages_and_queries_open_and_keeps_what_it_acknowledged(
    tmp_path: Path, way: str, told: signal.Signals
) -> None:
    server = Server(tmp_path / "data", way=way).start()
    token = server.add_host("pve-01")
    cookie = {"Origin": server.url, "Cookie": f"user={server.log_in().cookies.get('user')}"}
    asking = threading.Thread(target=ask_for_ever, args=(server,))
    with open_socket(server, "", **cookie) as page:
        assert b" 101 " in page.recv(1000)
        asking.start()
        assert server.post(token, a_message(a_wire_sample())).json() == {"stored": 1, "duplicates": 0}
        began = time.monotonic()
        server.stop(told)
        assert time.monotonic() - began < 2 * STOP_SECONDS
    asking.join()
    assert_ended_well(server)
    assert read_control(server.data) is None
    server.start()
    assert server.post(token, a_message(a_wire_sample())).json() == {"stored": 0, "duplicates": 1}
    server.stop()


def test_known_agents_do_not_hold_it_up_and_what_was_acknowledged_to_them_is_kept(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    idle, sending = Agent(server, "idle"), Agent(server, "sending")
    with a_raw_connection(sending) as raw:
        assert sending.post(a_message(a_wire_sample())).json() == {"stored": 1, "duplicates": 0}
        raw.sendall(a_request(sending, a_message(a_wire_sample()))[:-20])
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 2 * STOP_SECONDS
        assert raw.recv(1000) == b""
    assert_ended_well(server)
    server.start()
    assert server.post(sending.token, a_message(a_wire_sample())).json() == {"stored": 0, "duplicates": 1}
    assert server.post(idle.token, a_message(a_wire_sample())).json() == {"stored": 1, "duplicates": 0}
    server.stop()


def test_a_terminal_that_is_closed_stops_it_cleanly(tmp_path: Path) -> None:
    data, environment = tmp_path / "data", os.environ | {"DASHBOARD_PASSWORD_HASH": hash_password("secret")}
    ours, terminal = pty.openpty()
    command = ["setsid", "--ctty", *HEARING, "-m", "proxmon", "serve", "--port", "0", "--data", str(data)]
    running = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    wait_for(lambda: is_well(data))
    os.close(ours)
    assert running.wait(20) == 0
    assert left_in(data) == {"cookie.key", "fleet.duckdb", "links.key", "secrets.sqlite", "store.lock"}


def test_a_server_started_by_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", wrapper=("nohup",)).start()
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)
    assert server.ask("GET", "/healthz").ok
    server.stop()
    assert server.process.returncode == 0


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_stopped_while_it_makes_history_leaves_nothing_behind(
    tmp_path: Path, told: signal.Signals
) -> None:
    command = [*HEARING, "-m", "proxmon", "demo", "--port", "0"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    wait_for(lambda: next(tmp_path.glob("proxmon-demo-*/fleet.journal-1"), None))
    running.send_signal(told)
    assert running.wait(20) == 128 + told
    assert left_in(tmp_path) == {"log"}
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_told_to_it_says_where_each_thread_is_and_goes_on(each_server: Server) -> None:
    assert "tornado/platform/asyncio.py" in wait_for(lambda: each_server.stacks().rpartition("Thread MainThread")[2])
    token = each_server.add_host("pve-01")
    assert each_server.process is not None
    for number in range(50):  # while stacks change
        each_server.process.send_signal(signal.SIGUSR1)
        sample = a_wire_sample(collected_at=iso(NOW + timedelta(seconds=number)))
        assert each_server.post(token, a_message(sample)).json()["stored"] == 1
    assert each_server.ask("GET", "/healthz").ok
    assert token not in each_server.log()
    assert each_server.control.token not in each_server.log()


def assert_ended_well(server: Server) -> None:
    """Check that the server ended as it was told to, without a complaint."""
    assert server.process is not None
    assert server.process.returncode == 0
    assert "Traceback" not in server.log()


def is_well(data: Path) -> bool:
    with suppress(requests.RequestException):
        local = read_control(data)
        return local is not None and requests.get(f"{local.url}/healthz", timeout=30).ok
    return False


def left_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def ask_for_ever(server: Server) -> None:
    with suppress(requests.RequestException):
        server.ask("POST", "/api/query", json={"sql": ENDLESS})


def test_the_agent_of_a_first_look_says_goodbye_before_the_server_ends(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    command = [sys.executable, "-m", "proxmon", "first-look", "--port", "0", "--data", str(data)]
    with log.open("wb") as file:
        running = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, start_new_session=True)
    wait_until_online(data, running)
    os.killpg(running.pid, signal.SIGINT)  # as Ctrl-C in a terminal reaches both
    assert running.wait(20) == 0
    lines = log.read_text().splitlines()
    assert lines.index("INFO stopped") < lines.index("  proxmon stops")
    assert "Traceback" not in log.read_text()
    server = Server(data).start()
    events = server.ask("GET", "/api/events").json()["events"]
    assert "goodbye" in [event["kind"] for event in events]
    server.stop()


def wait_until_online(data: Path, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        local = read_control(data)
        with suppress(requests.RequestException):
            if local is not None:
                headers = {"Authorization": f"Bearer {local.token}"}
                hosts = requests.get(f"{local.url}/api/hosts", headers=headers, timeout=30).json()["hosts"]
                if any(host["status"] != "offline" for host in hosts):
                    return
        time.sleep(0.1)
    raise AssertionError("the machine's own host did not come online")
