"""A query in a single call that nothing interrupts holds up neither the other queries nor the server's end."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from proxmon.control import read_control
from tests.builders import a_message, a_wire_sample
from tests.contract.test_stopping import STOP_SECONDS, assert_ended_well
from tests.servers import WAYS, Server
from tests.waiting import wait_for

# Each row compares all others, in one call for all rows: minutes.
DEAF = (
    "SELECT list(DISTINCT [x]) OVER (ORDER BY x GROUPS BETWEEN 100000 PRECEDING AND 100000 FOLLOWING EXCLUDE GROUP) "
    "FROM range(50000) AS t(x)"
)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_answered_for_makes_room_and_does_not_keep_the_server_from_ending(tmp_path: Path, way: str) -> None:
    server = Server(tmp_path / "data", way=way, environment={"PROXMON_QUERY_SECONDS": "1"}).start()
    token = server.add_host("pve-01")
    assert server.post(token, a_message(a_wire_sample())).json() == {"stored": 1, "duplicates": 0}
    answers: list[requests.Response] = []
    asking = [threading.Thread(target=lambda: answers.append(ask(server, DEAF))) for _ in range(2)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert [answer.status_code for answer in answers] == [422, 422]
    assert "longer than 1 s" in answers[0].text
    assert wait_for(lambda: "(2 of 2)" in server.log())
    refused = ask(server, "SELECT 1")
    assert refused.status_code == 429
    assert "started again" in refused.json()["error"]
    assert server.post(token, a_message(a_wire_sample(collected_at="2026-11-26T00:00:00Z"))).ok
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 2 * STOP_SECONDS
    assert_ended_well(server)
    assert read_control(server.data) is None
    server.start()
    assert server.post(token, a_message(a_wire_sample())).json() == {"stored": 0, "duplicates": 1}
    assert ask(server, "SELECT 1").ok
    server.stop()


def test_one_that_runs_when_the_server_is_told_to_end_does_not_keep_it(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    asking = threading.Thread(target=ask_in_vain, args=[server])
    asking.start()
    wait_for(lambda: "storage/queries.py" in server.stacks().rpartition("Thread MainThread")[0])
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 2 * STOP_SECONDS
    asking.join()
    assert_ended_well(server)


def ask_in_vain(server: Server) -> None:
    with suppress(requests.RequestException):
        ask(server, DEAF)


def ask(server: Server, sql: str) -> requests.Response:
    return server.ask("POST", "/api/query", json={"sql": sql})
