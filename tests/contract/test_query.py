"""SQL over HTTP and in a notebook, beside a running server and without one."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import requests

import proxmon
from proxmon.errors import NotFoundError, ProxmonError, QueryError, TokenError
from tests.builders import a_fast_payload, a_message, a_pool, a_wire_sample, iso
from tests.servers import Server
from tests.waiting import wait_for


def a_live_message(**payload: object) -> bytes:
    moment = iso(datetime.now(UTC))
    return a_message(a_wire_sample(collected_at=moment, payload=a_fast_payload(**payload)), sent_at=moment)


@pytest.fixture
def host(each_server: Server) -> str:
    """Give the name of a new host that sent one sample."""
    name = f"pve-{uuid.uuid4().hex[:8]}"
    assert each_server.post(each_server.add_host(name), a_live_message()).ok
    return name


def test_rows_come_as_an_arrow_stream(each_server: Server, host: str) -> None:
    sql = "SELECT host, load1 FROM host_samples WHERE host = ?"
    answer = each_server.ask("POST", "/api/query", json={"sql": sql, "parameters": [host]})
    assert answer.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
    assert pa.ipc.open_stream(answer.content).read_all().to_pylist() == [{"host": host, "load1": 0.5}]


@pytest.mark.parametrize("sql", ["DELETE FROM base.hosts", "SELECT * FROM read_text('/etc/hostname')", "SELEC 1"])
def test_a_refused_query_is_422_in_words(each_server: Server, sql: str) -> None:
    answer = each_server.ask("POST", "/api/query", json={"sql": sql})
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(".")


def test_a_parameter_may_be_a_list_and_is_not_nested_deeply(each_server: Server) -> None:
    def ask(parameter: str) -> requests.Response:
        return each_server.ask("POST", "/api/query", data=f'{{"sql": "SELECT ? AS x", "parameters": [{parameter}]}}')

    for parameter, found in (("[1, 2]", [1, 2]), ("[[1], [2, null]]", [[1], [2, None]]), ('"x"', "x")):
        assert pa.ipc.open_stream(ask(parameter).content).read_all().to_pylist() == [{"x": found}]
    for parameter in ("[" * 900 + "]" * 900, "[[[1]]]", '{"a": 1}', '[{"a": 1}, {"b": 1}]'):
        answer = ask(parameter)
        assert answer.status_code == 422
        assert answer.json()["error"].startswith("Send each parameter as ")
    named = each_server.ask("POST", "/api/query", json={"sql": "SELECT $x AS x", "parameters": {"x": [[[1]]]}})
    assert named.status_code == 422


def test_mallory_asks_nothing(each_server: Server) -> None:
    for token in ("", "wrong"):
        assert each_server.ask("POST", "/api/query", token or "none", json={"sql": "SELECT 1"}).status_code == 401


def test_an_asker_who_goes_away_leaves_room_for_the_next(each_server: Server) -> None:
    slow = {"sql": "SELECT count(*) FROM range(100000) a, range(1000000) b"}
    for _ in range(4):
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                f"{each_server.url}/api/query",
                json=slow,
                headers={"Authorization": f"Bearer {each_server.control.token}"},
                timeout=0.3,
            )

    def has_room() -> bool:
        answer = each_server.ask("POST", "/api/query", json={"sql": "SELECT 1 AS a"})
        assert answer.status_code == 200 or (answer.status_code == 429 and answer.headers["Retry-After"])
        return answer.status_code == 200

    wait_for(has_room)


def test_samples_are_stored_while_a_query_runs(each_server: Server) -> None:
    token = each_server.add_host(f"pve-{uuid.uuid4().hex[:8]}")
    slow = {"sql": "SELECT count(*) FROM range(10000) a, range(10000) b WHERE (a.range + b.range) % 7 = 3"}
    asking = threading.Thread(target=lambda: each_server.ask("POST", "/api/query", json=slow))
    asking.start()
    for _ in range(5):
        assert each_server.post(token, a_live_message()).json()["stored"] == 1
    asking.join()


@pytest.mark.parametrize("way", ["directory", "url"])
def test_a_notebook_sees_what_was_just_acknowledged(each_server: Server, host: str, way: str) -> None:
    token = each_server.ask("POST", "/api/tokens", json={"name": f"nb-{uuid.uuid4().hex[:8]}"}).json()["token"]
    fleet = proxmon.connect(each_server.data) if way == "directory" else proxmon.connect(each_server.url, token)
    assert fleet.status()[host] == "ok"
    assert fleet.sql("SELECT count(*) AS n FROM samples WHERE host = ?", [host])["n"].tolist() == [1]
    hosts = fleet.hosts().set_index("host")
    assert isinstance(hosts.loc[host, "last_seen_at"], pd.Timestamp)
    findings = fleet.findings().set_index(["host", "rule"])
    assert findings.loc[(host, "zpool_health"), "verdict"] == "ok"
    assert "web-01" in set(fleet.guests("web")["name"])


def test_a_series_has_time_subject_and_value(each_server: Server, host: str) -> None:
    fleet = proxmon.connect(each_server.data)
    load = fleet.series(host, "load1", since="1h")
    assert load["value"].tolist() == [0.5]
    assert str(load.index.tz) == "UTC"
    assert fleet.series(host, "capacity_percent")["subject"].tolist() == ["rpool"]
    assert fleet.series(host, "load1", since="2020-01-01", until="2020-01-02").empty
    with pytest.raises(NotFoundError, match="load1"):
        fleet.series(host, "load1; DROP VIEW hosts")


def test_a_notebook_can_ask_for_the_past(each_server: Server) -> None:
    name = f"pve-{uuid.uuid4().hex[:8]}"
    token = each_server.add_host(name)
    each_server.post(token, a_live_message(zfs_pools={"pools": [a_pool(health="DEGRADED")]}))
    then = datetime.now(UTC)
    each_server.post(token, a_live_message())
    fleet = proxmon.connect(each_server.data)
    assert (fleet.status(at=then)[name], fleet.status()[name]) == ("critical", "ok")


def test_a_notebook_works_without_a_server_and_does_not_keep_one_from_starting(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    server.post(server.add_host("pve-01"), a_live_message())
    server.stop()
    fleet = proxmon.connect(server.data)
    assert fleet.sql("SELECT host FROM hosts", as_="arrow").to_pylist() == [{"host": "pve-01"}]
    assert list(fleet.status().index) == ["pve-01"]
    with pytest.raises(QueryError):
        fleet.sql("DELETE FROM base.hosts")
    server.start()
    try:
        assert fleet.sql("SELECT host FROM hosts")["host"].tolist() == ["pve-01"]
    finally:
        server.stop()


def test_a_notebook_may_hold_the_store_for_several_questions(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    server.post(server.add_host("pve-01"), a_live_message())
    server.stop()
    fleet = proxmon.connect(server.data)
    with fleet.hold():
        opened_at = (server.data / "store.lock").stat().st_mtime_ns
        assert fleet.sql("SELECT host FROM hosts")["host"].tolist() == ["pve-01"]
        assert fleet.host("pve-01").name == "pve-01"
        assert (server.data / "store.lock").stat().st_mtime_ns == opened_at
    assert list(fleet.status().index) == ["pve-01"]
    assert (server.data / "store.lock").stat().st_mtime_ns > opened_at


def test_what_a_notebook_cannot_have_is_said(
    each_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROXMON_TOKEN", raising=False)
    with pytest.raises(TokenError, match="proxmon tokens add"):
        proxmon.connect(each_server.url)
    with pytest.raises(TokenError):
        proxmon.connect(each_server.url, "wrong").hosts()
    with pytest.raises(QueryError, match="only reads"):
        proxmon.connect(each_server.data).sql("DROP VIEW hosts")
    with pytest.raises(NotFoundError, match="nowhere"):
        proxmon.connect(tmp_path / "nowhere").hosts()
    with pytest.raises(ProxmonError, match="does not answer"):
        proxmon.connect("http://127.0.0.1:9", "token").hosts()


def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(each_server: Server) -> None:
    sql = "SELECT i, CASE WHEN i = 900000 THEN error('boom') END AS x FROM range(1000000) t(i)"
    with pytest.raises(QueryError, match="boom"):
        proxmon.connect(each_server.data).sql(sql)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        each_server.ask("POST", "/api/query", json={"sql": sql})


def test_many_rows_arrive_as_a_frame_of_numbers_and_times(each_server: Server) -> None:
    frame = proxmon.connect(each_server.data).sql(
        "SELECT i, 'row ' || i AS name, i / 2 AS half FROM range(100000) t(i)"
    )
    assert len(frame) == 100_000
    (row,) = (
        proxmon.connect(each_server.data)
        .sql("SELECT sum(i) AS total, 1.5 AS ratio, DATE '2026-11-22' AS day FROM range(100) t(i)")
        .to_dict("records")
    )
    assert row == {"total": 4950, "ratio": 1.5, "day": pd.Timestamp("2026-11-22")}


def test_readers_who_read_nothing_give_up_their_place(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", environment={"PROXMON_QUERY_SECONDS": "1"}).start()
    try:
        sleepers = [ask_without_reading(server) for _ in range(2)]
        assert server.ask("POST", "/api/query", json={"sql": "SELECT 1"}).status_code == 429
        wait_for(lambda: server.ask("POST", "/api/query", json={"sql": "SELECT 1"}).status_code != 429)
        for sleeper in sleepers:
            sleeper.close()
        slow = "SELECT count(*) FROM range(100000) a, range(1000000) b"
        answer = server.ask("POST", "/api/query", json={"sql": slow})
        assert (answer.status_code, "longer than 1 s" in answer.json()["error"]) == (422, True)
    finally:
        server.stop()


def ask_without_reading(server: Server) -> socket.socket:
    """Ask for more than the buffers on the way hold, and wait until the answer has begun."""
    host = server.url.removeprefix("http://")
    name, _, port = host.partition(":")
    body = json.dumps({"sql": "SELECT i, repeat('x', 100) FROM range(100000000) t(i)"})
    head = f"POST /api/query HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.control.token}\r\n"
    opened = socket.create_connection((name, int(port)))
    opened.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    assert opened.recv(12) == b"HTTP/1.1 200"
    return opened


CLIENT = """
import sys, proxmon
for frame in proxmon.connect(sys.argv[1]).stream("SELECT i, repeat('x', 100) FROM range(100000000) t(i)"):
    print(len(frame), flush=True)
"""


def test_a_client_killed_in_mid_query_leaves_the_server_as_it_was(each_server: Server) -> None:
    before = usage(each_server)
    for _ in range(4):
        command = [sys.executable, "-c", CLIENT, str(each_server.data)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            assert int(client.stdout.readline()) > 0
            client.kill()
    # Both places are free again.
    wait_for(lambda: all(status == 200 for status in ask_at_once(each_server, 2)))
    wait_for(lambda: usage(each_server)["Threads"] <= before["Threads"] + IDLE_THREADS)
    assert usage(each_server)["VmRSS"] < before["VmRSS"] + 200 * 1024


IDLE_THREADS = 6  # of Python's own pool, which waits for more work


def usage(server: Server) -> dict[str, int]:
    """Return what the kernel says of the server's process: memory in KiB, its peak, threads."""
    assert server.process is not None
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return {
        name: int(re.findall(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[0]) for name in ("VmRSS", "VmHWM", "Threads")
    }


READER = """
import resource, sys, proxmon
fleet = proxmon.connect(sys.argv[1])
fleet.sql("SELECT 1")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(map(len, fleet.stream("SELECT i, repeat('x', 200) FROM range(2000000) t(i)", as_="arrow")))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_answer_takes_little_memory_at_both_ends(each_server: Server) -> None:
    assert each_server.process is not None
    before = usage(each_server)["VmRSS"]
    Path(f"/proc/{each_server.process.pid}/clear_refs").write_text("5")  # the peak counts from now on (proc(5))
    command = [sys.executable, "-c", READER, str(each_server.data)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    rows, reader_kib = map(int, ended.stdout.split())
    assert rows == 2_000_000  # 400 MB
    assert reader_kib < 100 * 1024
    assert usage(each_server)["VmHWM"] - before < 150 * 1024


def ask_at_once(server: Server, times: int) -> list[int]:
    """Ask so many queries at the same time and return how each was answered."""
    slow = {"sql": "SELECT count(*) FROM range(3000) a, range(3000) b"}
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: server.ask("POST", "/api/query", json=slow).status_code, range(times)))


def test_every_acknowledged_sample_is_seen_at_once(each_server: Server) -> None:
    name = f"pve-{uuid.uuid4().hex[:8]}"
    token, fleet = each_server.add_host(name), proxmon.connect(each_server.data)
    for sent in range(1, 6):
        assert each_server.post(token, a_live_message()).json()["stored"] == 1
        seen = fleet.sql("SELECT count(*) AS n FROM host_samples WHERE host = ?", [name])["n"].tolist()
        assert seen == [sent]


def test_a_large_answer_is_streamed(each_server: Server) -> None:
    frames = proxmon.connect(each_server.data).stream("SELECT i FROM range(100000) t(i)")
    sizes = [len(frame) for frame in frames]
    assert (sum(sizes), max(sizes) < 10_000) == (100_000, True)
    failing = proxmon.connect(each_server.data).stream(
        "SELECT CASE WHEN i = 900000 THEN error('boom') END FROM range(1000000) t(i)"
    )
    with pytest.raises(QueryError, match="boom"):
        list(failing)


def test_a_cookie_asks_only_from_our_own_pages(each_server: Server) -> None:
    session = each_server.log_in()
    for headers, status in (({"Origin": "http://evil.example"}, 403), ({"Origin": each_server.url}, 200)):
        url = f"{each_server.url}/api/query"
        assert session.post(url, json={"sql": "SELECT 1"}, headers=headers, timeout=30).status_code == status
