"""What the agent costs its host: the one file, on the recorded hypervisor of the tests, at the default intervals."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from proxmon.agent_bundle import build_archive
from proxmon.payload import Tier
from tests.builders import NOW
from tests.hypervisor import Hypervisor, environment
from tests.servers import Server
from tools.bench.table import Row, row

MEASURED_SECONDS = 60
GUESTS, POOLS, SNAPSHOTS, MANY_SNAPSHOTS = 30, 4, 5000, 50_000
GOAL_PERCENT, GOAL_MB = 0.3, 25
PYTHON = "/usr/bin/python3"  # what a host has
INTERVALS = {Tier.FAST: 10, Tier.MEDIUM: 300, Tier.SLOW: 3600}
RUNS, MANY_RUNS = 5, 3


def a_hypervisor(folder: Path, snapshots: int = SNAPSHOTS) -> Hypervisor:
    """Return a recorded host of the size that the goals are stated for."""
    host = Hypervisor(folder, guest_count=GUESTS)
    host.set_pool_count(POOLS)
    began = int(NOW.timestamp())
    names = [f"rpool/data/vm-{100 + number % 50}-disk-0" for number in range(snapshots)]
    host.set_snapshots([f"{name}@auto-{number}\t{began + number * 60}" for number, name in enumerate(names)])
    return host


def run_agent(folder: Path, server: Server, token: str) -> list[dict[str, float]]:
    """Run the one file beside the server; return what each fast run cost in the minute after its start."""
    host, program = a_hypervisor(folder / "hypervisor"), folder / "agent.pyz"
    program.write_bytes(build_archive())
    arguments = [
        "--server",
        server.url,
        "--root",
        str(host.root),
        "--path",
        host.path,
        "--spool",
        str(folder / "spool"),
    ]
    # As the installed service runs: isolated, and with one heap for all threads.
    command, settings = [PYTHON, "-I", str(program), *arguments], {"PROXMON_TOKEN": token, "MALLOC_ARENA_MAX": "1"}
    agent = subprocess.Popen(command, env=environment() | settings, stderr=subprocess.DEVNULL)
    try:
        samples = [wait_for_sample(server, wait_for_sample(server, "")["collected_at"])]
        end = time.monotonic() + MEASURED_SECONDS
        while time.monotonic() < end:
            samples.append(wait_for_sample(server, samples[-1]["collected_at"]))
    finally:
        agent.terminate()
        agent.wait()
    return [cost_between(*pair) for pair in pairwise(samples)]


def wait_for_sample(server: Server, after: str) -> dict[str, Any]:
    """Return the newest fast sample once every tier has one, and that was collected later than ``after``."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        samples = server.host("pve-lab")["samples"]
        if len(samples) == len(Tier) and samples[Tier.FAST.value]["collected_at"] > after:
            return samples[Tier.FAST.value]
        time.sleep(0.5)
    raise AssertionError("the agent sent no sample")


def cost_between(first: dict[str, Any], last: dict[str, Any]) -> dict[str, float]:
    """Return the shares of a core that were used between two samples, and the peak of memory."""
    moments = [datetime.fromisoformat(sample["collected_at"]) for sample in (first, last)]
    seconds = (moments[1] - moments[0]).total_seconds()
    before, after = first["payload"]["agent"], last["payload"]["agent"]
    return {
        "cpu_percent": 100 * (after["cpu_seconds"] - before["cpu_seconds"]) / seconds,
        "programs_percent": 100 * (after["programs_cpu_seconds"] - before["programs_cpu_seconds"]) / seconds,
        "peak_mb": after["peak_rss_bytes"] / 1e6,
    }


def run_tier(host: Hypervisor, program: Path, tier: Tier, count: int) -> dict[str, Any]:
    """Run one tier again and again with nothing remembered; return CPU seconds by run, and the peak of memory."""
    runs = Path(__file__).with_name("agent_runs.py")
    command = [PYTHON, "-I", str(runs), str(program), str(host.root), host.path, tier.value, str(count)]
    done = subprocess.run(command, env=environment() | {"MALLOC_ARENA_MAX": "1"}, capture_output=True, check=True)
    return json.loads(done.stdout)


def measure_tiers(folder: Path, fast_percent: Sequence[float]) -> list[Row]:
    """Measure a run of each tier, and project on the default intervals what the minute had no run of."""
    program, host = folder / "agent.pyz", a_hypervisor(folder / "tiers")
    costs = {tier: run_tier(host, program, tier, RUNS) for tier in Tier}
    rows: list[Row] = []
    for tier, cost in costs.items():
        for whose, words in (("own", "own CPU"), ("programs", "CPU of its programs")):
            milliseconds = [1000 * seconds for seconds in cost[whose]]
            rows.append(row(f"agent: a {tier.value} run, {words}", milliseconds, "ms"))
    rare = sum(100 * median(costs[tier]["own"]) / INTERVALS[tier] for tier in (Tier.MEDIUM, Tier.SLOW))
    all_tiers = [percent + rare for percent in fast_percent]
    rows.append(row("agent: own CPU, all tiers", all_tiers, "% of a core", f"≤ {GOAL_PERCENT}", GOAL_PERCENT))
    many = run_tier(a_hypervisor(folder / "many", MANY_SNAPSHOTS), program, Tier.MEDIUM, MANY_RUNS)
    peak = many["peak_bytes"] / 1e6
    rows.append(row("agent: a medium run, 50,000 snapshots, own CPU", [1000 * one for one in many["own"]], "ms"))
    rows.append(row("agent: the same, peak memory", [peak], "MB", f"≤ {GOAL_MB}", GOAL_MB))
    return rows


def measure_agent() -> list[Row]:
    """Run the agent for a minute after its start, as its own last sample tells; then each tier on its own."""
    with TemporaryDirectory(prefix="proxmon-bench-") as directory:
        folder = Path(directory)
        server = Server(folder / "data").start()
        try:
            costs = run_agent(folder, server, server.add_host("pve-lab"))
        finally:
            server.stop()
        own = [cost["cpu_percent"] for cost in costs]
        tiers = measure_tiers(folder, own)
    return [
        row("agent: own CPU, a minute of fast runs", own, "% of a core"),
        row("agent: CPU of the programs in that minute", [cost["programs_percent"] for cost in costs], "% of a core"),
        row("agent: peak memory", [costs[-1]["peak_mb"]], "MB", f"≤ {GOAL_MB}", GOAL_MB),
        *tiers,
    ]
