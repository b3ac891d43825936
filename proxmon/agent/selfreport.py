"""Tells what the agent itself costs: CPU time, memory, programs run, time of each section, what waits in the spool."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Mapping
from typing import Any

from .programs import Programs
from .spool import Spool


def peak_rss_bytes() -> int:
    """Return the peak of this process's resident memory; `getrusage` would count what it was before its start."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            match = re.search(r"^VmHWM:\s+(\d+) kB", file.read(), re.MULTILINE)
    except OSError:
        match = None
    if match:
        return int(match.group(1)) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cost(version: str, programs: Programs, spool: Spool, sections: Mapping[str, float]) -> dict[str, Any]:
    """Return the section `agent`, whose counts run from the agent's start."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    result: dict[str, Any] = {
        "version": version,
        "pid": os.getpid(),
        "cpu_seconds": round(own.ru_utime + own.ru_stime, 3),
        "programs_cpu_seconds": round(children.ru_utime + children.ru_stime, 3),
        "peak_rss_bytes": peak_rss_bytes(),
        "programs_run": programs.started_count,
        "sections": dict(sections),
        "spool": {"samples": len(spool), "bytes": spool.size_bytes, "dropped": spool.dropped_count},
    }
    stuck = programs.stuck_commands()
    if stuck:
        result["stuck"] = stuck
    return result


def describe(agent: Mapping[str, Any], seconds: float) -> str:
    """Write the cost for a person to read."""
    cpu = agent["cpu_seconds"]
    lines = [
        f"cpu       {cpu:.2f} s of its own in {seconds:.1f} s ({100 * cpu / max(seconds, 0.001):.2f} % of a core), "
        f"{agent['programs_cpu_seconds']:.2f} s in programs",
        f"memory    {agent['peak_rss_bytes'] / 2**20:.1f} MiB at most",
        f"programs  {agent['programs_run']} run",
        f"spool     {agent['spool']['samples']} samples wait, {agent['spool']['dropped']} dropped",
    ]
    lines += [f"section   {name:<14} {taken:.3f} s" for name, taken in sorted(agent["sections"].items())]
    return "\n".join(lines)
