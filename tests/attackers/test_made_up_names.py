"""One host with names that are others in each sample does not hold up everybody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from tests.builders import a_message, a_wire_sample, iso
from tests.servers import Server

NUMBERS = count()
# Of a request to a busy machine. With costs that grow with the square of the names it took minutes.
PATIENCE_SECONDS = 20
Make = Callable[[], dict[str, Any]]


def name() -> str:
    return f"{next(NUMBERS):x}"


def scrubbed_pools() -> dict[str, Any]:
    pools = [{"name": name(), "health": "ONLINE", "last_scrub_end": "2026-11-01T00:00Z"} for _ in range(1000)]
    return {"zfs_pools": {"pools": pools}}


def faulted_pools() -> dict[str, Any]:
    return {"zfs_pools": {"pools": [{"name": name(), "health": "FAULTED"} for _ in range(1000)]}}


def guests() -> dict[str, Any]:
    return {"vms_runtime": {"vms": [{"vmid": next(NUMBERS), "name": "a", "type": "qemu"} for _ in range(10_000)]}}


def datasets() -> dict[str, Any]:
    stale = {"snapshot_count": 1, "newest_snapshot_unix": 1}
    return {"zfs_datasets": {"datasets": [{"name": name()} | stale for _ in range(30_000)]}}


def vdevs() -> dict[str, Any]:
    """A tree of 8,000 vdevs, one below the other as far as JSON may be nested."""
    chains: list[dict[str, Any]] = []
    for _ in range(40):
        vdev: dict[str, Any] = {"name": name(), "state": "FAULTED"}
        for _ in range(199):
            vdev = {"name": name(), "state": "FAULTED", "children": [vdev]}
        chains.append(vdev)
    return {"zfs_pools": {"pools": [{"name": name(), "health": "DEGRADED", "vdevs": chains}]}}


class Waiter:
    """Somebody who asks how the server is, and how long that took at most."""

    def __init__(self, server: Server) -> None:
        self.server, self.longest_seconds, self.is_over = server, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def ask(self) -> None:
        while not self.is_over.wait(0.1):
            began = time.monotonic()
            assert self.server.ask("GET", "/healthz").ok
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)

    def __enter__(self) -> Waiter:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.thread.join()


@pytest.mark.parametrize(
    ("tier", "make", "samples"),
    [
        ("fast", scrubbed_pools, 60),
        ("fast", faulted_pools, 60),
        ("fast", guests, 12),
        ("medium", datasets, 3),
        ("fast", vdevs, 10),
    ],
    ids=["scrubs", "pools", "guests", "datasets", "vdevs"],
)
def test_names_that_were_never_heard_of_hold_nobody_up(server: Server, tier: str, make: Make, samples: int) -> None:
    host = f"pve-{make.__name__.replace('_', '-')}"
    token = server.add_host(host)
    with Waiter(server) as waiter:
        for _ in range(3):
            now = datetime.now(UTC)
            moments = [iso(now - timedelta(milliseconds=number)) for number in reversed(range(samples))]
            sent = [a_wire_sample(tier, collected_at=moment, payload=make()) for moment in moments]
            assert server.post(token, a_message(*sent, sent_at=iso(now))).json() == {"stored": samples, "duplicates": 0}
            assert server.host(host)["samples"][tier]["collected_at"] == moments[-1]
    assert waiter.longest_seconds < PATIENCE_SECONDS
    assert server.ask("DELETE", f"/api/hosts/{host}").status_code == 204
