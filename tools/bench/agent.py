"""What the agent costs its host: the one file, on the recorded hypervisor of the tests, at the default intervals."""

from __future__ import annotations

import subprocess
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from proxmon.agent_bundle import build_archive
from proxmon.payload import Tier
from tests.builders import NOW
from tests.hypervisor import Hypervisor, environment
from tests.servers import Server
from tools.bench.table import Row, row

MEASURED_SECONDS = 60
GUESTS, POOLS, SNAPSHOTS = 30, 4, 5000
GOAL_PERCENT, GOAL_MB = 0.3, 25


def a_hypervisor(folder: Path) -> Hypervisor:
    """Return a recorded host of the size that the goals are stated for."""
    host = Hypervisor(folder, guest_count=GUESTS)
    host.set_pool_count(POOLS)
    began = int(NOW.timestamp())
    names = [f"rpool/data/vm-{100 + number % 50}-disk-0" for number in range(SNAPSHOTS)]
    host.set_snapshots([f"{name}@auto-{number}\t{began + number * 60}" for number, name in enumerate(names)])
    return host


def run_agent(folder: Path, server: Server, token: str) -> dict[str, float]:
    """Run the one file beside the server; return what its samples say of the minute after its start."""
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
    command = ["/usr/bin/python3", str(program), *arguments]
    agent = subprocess.Popen(command, env=environment() | {"PROXMON_TOKEN": token}, stderr=subprocess.DEVNULL)
    try:
        first = wait_for_sample(server, "")
        time.sleep(MEASURED_SECONDS)
        last = wait_for_sample(server, first["collected_at"])
    finally:
        agent.terminate()
        agent.wait()
    return cost_between(first, last)


def wait_for_sample(server: Server, after: str) -> dict[str, Any]:
    """Return the newest fast sample once there is one that was collected later than ``after``."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        sample = server.host("pve-lab")["samples"].get(Tier.FAST.value)
        if sample and sample["collected_at"] > after:
            return sample
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


def measure_agent() -> list[Row]:
    """Run the agent for a minute after its start; its own last sample says what it has cost."""
    with TemporaryDirectory(prefix="proxmon-bench-") as directory:
        folder = Path(directory)
        server = Server(folder / "data").start()
        try:
            cost = run_agent(folder, server, server.add_host("pve-lab"))
        finally:
            server.stop()
    return [
        row("agent: own CPU, after its start", [cost["cpu_percent"]], "% of a core", f"≤ {GOAL_PERCENT}", GOAL_PERCENT),
        row("agent: CPU of the programs it runs", [cost["programs_percent"]], "% of a core"),
        row("agent: peak memory", [cost["peak_mb"]], "MB", f"≤ {GOAL_MB}", GOAL_MB),
    ]
