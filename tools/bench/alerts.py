"""What judging one sample's alerts costs, with a small and with a large fleet."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

from proxmon.alerts.engine import AlertEngine
from proxmon.alerts.policy import default_policies
from proxmon.config import RuleSettings
from proxmon.fleet import HostSnapshot
from proxmon.samples import Sample
from proxmon.status import evaluate
from tests.builders import NOW, a_dataset, a_fast_payload, a_guest, a_host, a_medium_payload, a_pool, a_sample
from tests.proxmon.test_dispatch import Desk
from tools.bench.table import Row, row

STEP = timedelta(seconds=10)
ROUNDS = 6


def samples(host_id: int, is_failing: bool) -> list[Sample]:
    """Return what a host of 20 guests, two pools and 100 datasets sent, healthy or with a full and a broken pool."""
    pools = [a_pool(name="rpool"), a_pool(name="tank")]
    if is_failing:
        pools = [a_pool(name="rpool", capacity_percent=85), a_pool(name="tank", health="DEGRADED")]
    guests = [a_guest(vmid=100 + number) for number in range(20)]
    fast = a_fast_payload(zfs_pools={"pools": pools}, vms_runtime={"vms": guests})
    datasets = {"datasets": [a_dataset(name=f"rpool/data/{number}") for number in range(100)]}
    medium = a_medium_payload(zfs_datasets=datasets)
    return [a_sample(host_id, "fast", fast), a_sample(host_id, "medium", medium), a_sample(host_id, "slow")]


def measure(hosts: int, is_failing: bool) -> list[float]:
    """Return the milliseconds for each sample of a fleet: time's own changes, then the host's."""
    rules = RuleSettings()
    engine = AlertEngine(lambda host, at: evaluate(host, rules, at), default_policies(rules), NOW - timedelta(hours=1))
    fleet = {number: HostSnapshot(a_host(id=number)) for number in range(hosts)}
    sent = samples(0, is_failing)
    costs: list[float] = []
    for turn in range(ROUNDS):
        for number, host in fleet.items():
            at = NOW + STEP * turn + STEP * number / hosts
            fresh = replace(sent[0], collected_at=at, received_at=at, observed_at=at, fresh_at=at)
            fleet[number] = host.with_samples([fresh, *sent[1:]], at)
            status = evaluate(fleet[number], rules, at)
            began = time.perf_counter()
            engine.advance(at)
            engine.take(fleet[number], status, at)
            costs.append((time.perf_counter() - began) * 1000)
    return costs


async def measure_quiet_seconds(hosts: int) -> list[float]:
    """Return the milliseconds of seconds in which nothing happens: three channels know of an alert on each host."""
    desk = Desk(*(f"pve-{number}" for number in range(hosts)))
    for name in ("mail", "phone", "hook"):
        await desk.add(name)
    broken = dict.fromkeys(range(1, hosts + 1), a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED")]}))
    await desk.hear_all({**broken}, times=4)
    costs: list[float] = []
    for _ in range(60):
        desk.now += timedelta(seconds=1)
        began = time.perf_counter()
        await desk.dispatcher.settled()
        costs.append((time.perf_counter() - began) * 1000)
    return costs


def measure_alerts() -> list[Row]:
    """Measure small and large fleets, all healthy and all failing."""
    rows: list[Row] = []
    for hosts in (10, 1000):
        for is_failing, words in ((False, "all healthy"), (True, "all with a full and a broken pool")):
            costs = measure(hosts, is_failing)
            name = f"one sample's alerts, {hosts} hosts, {words}"
            rows.append(row(name, costs, "ms", "under 1 ms", 1.0))
    quiet = asyncio.run(measure_quiet_seconds(1000))
    rows.append(row("a quiet second of three channels, 1000 hosts with an alert each", quiet, "ms", "under 5 ms", 5.0))
    return rows
