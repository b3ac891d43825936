"""A server and analysts work together at the demo's speed: what was acknowledged is seen within two seconds.

``make soak`` does so for an hour, every other run for some seconds.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import proxmon
from proxmon.errors import ProxmonError
from tests.builders import a_fast_payload, a_guest, a_message, a_wire_sample, iso
from tests.contract.test_query import CLIENT, usage
from tests.counts import Count
from tests.servers import Server

IS_LONG = bool(os.environ.get("PROXMON_SOAK"))
SECONDS = 3600 if IS_LONG else 15
KILL_EVERY_SECONDS = 60 if IS_LONG else 4
HOSTS, INTERVAL_SECONDS = 8, 10.0
LATEST_SECONDS = 2.0 if IS_LONG else 5.0  # other tests run beside the short one
BUSY = "Wait until another query"
HEAVY = "SELECT host, avg(cpu_percent), quantile_cont(mem_bytes, 0.9) FROM guest_samples GROUP BY host"


@dataclass
class Fleet:
    """Agents that post a sample in turn, and what was acknowledged."""

    server: Server
    tokens: dict[str, str]
    acknowledged: queue.Queue[tuple[str, str, float]] = field(default_factory=queue.Queue)
    faults: list[str] = field(default_factory=list[str])
    is_over: threading.Event = field(default_factory=threading.Event)

    def post_all(self) -> None:
        while not self.is_over.is_set():
            for name, token in self.tokens.items():
                moment = iso(datetime.now(UTC))
                guests = [a_guest(vmid=100 + number) for number in range(20)]
                sample = a_wire_sample(collected_at=moment, payload=a_fast_payload(vms_runtime={"vms": guests}))
                answer = self.server.post(token, a_message(sample, sent_at=moment))
                if not answer.ok:
                    self.faults.append(f"{answer.status_code} {answer.text}")
                self.acknowledged.put((name, moment, time.monotonic()))
                self.is_over.wait(INTERVAL_SECONDS / HOSTS)

    def analyse(self) -> None:
        fleet = proxmon.connect(self.server.data)
        while not self.is_over.wait(0.2):
            try:
                fleet.sql(HEAVY)
            except ProxmonError as error:
                if BUSY not in str(error):
                    self.faults.append(str(error))

    def kill_clients(self) -> None:
        while not self.is_over.wait(KILL_EVERY_SECONDS):
            command = [sys.executable, "-c", CLIENT, str(self.server.data)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
                assert client.stdout is not None
                client.stdout.readline()
                client.kill()


@contextmanager
def running(*works: threading.Thread, until: threading.Event) -> Iterator[None]:
    for work in works:
        work.start()
    try:
        yield
    finally:
        until.set()
        for work in works:
            work.join()


def test_a_notebook_sees_every_acknowledged_sample_within_two_seconds(tmp_path: Path, count: Count) -> None:
    server = Server(tmp_path / "data").start()
    try:
        fleet = Fleet(server, {f"pve-{number:02}": server.add_host(f"pve-{number:02}") for number in range(HOSTS)})
        notebook, latest, seen = proxmon.connect(server.data), 0.0, 0
        works = [threading.Thread(target=work) for work in (fleet.post_all, fleet.analyse, fleet.kill_clients)]
        before, ends_at = usage(server), time.monotonic() + SECONDS
        with running(*works, until=fleet.is_over):
            while time.monotonic() < ends_at:
                name, moment, at = fleet.acknowledged.get(timeout=30)
                while not is_seen(notebook, name, moment):
                    assert time.monotonic() - at < 10, f"{name} {moment} is not seen"
                latest, seen = max(latest, time.monotonic() - at), seen + 1
        told = {"samples_seen": seen, "latest_after_ms": round(1000 * latest), "faults": len(fleet.faults)}
        count("a notebook beside a server", seconds=SECONDS, **told)
        assert fleet.faults == []
        assert seen >= SECONDS / INTERVAL_SECONDS * HOSTS / 2
        assert latest < LATEST_SECONDS
        after = usage(server)
        assert after["Threads"] <= before["Threads"] + 16
        assert after["VmRSS"] - before["VmRSS"] < 300 * 1024
    finally:
        server.stop()


def is_seen(fleet: proxmon.client.Fleet, name: str, moment: str) -> bool:
    """Ask until there is a place among the queries, whether a sample is there."""
    sql = "SELECT count(*) AS n FROM host_samples WHERE host = ? AND collected_at = ?::TIMESTAMPTZ AT TIME ZONE 'UTC'"
    try:
        return fleet.sql(sql, [name, moment])["n"][0] == 1
    except ProxmonError as error:
        if BUSY not in str(error):
            raise
        return False
