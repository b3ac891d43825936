"""Reads load, CPU, memory and uptime from /proc."""

from __future__ import annotations

import time
from typing import Any

from .machine import Machine

FIRST_CPU_SPAN_SECONDS = 0.2  # the first sample has no earlier one to compare with
CpuTimes = tuple[int, int, int]


class HostSection:
    """Collects the section `host`; remembers the CPU counters, so that a percentage covers the time between samples."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._previous: CpuTimes | None = None

    def collect(self) -> dict[str, Any]:
        """Return the section."""
        load1, load5, load15 = self._machine.read_text("/proc/loadavg").split()[:3]
        section: dict[str, Any] = {"load1": float(load1), "load5": float(load5), "load15": float(load15)}
        section["uptime_seconds"] = int(float(self._machine.read_text("/proc/uptime").split()[0]))
        section.update(read_memory(self._machine))
        section.update(self._read_cpu())
        arc_bytes = find_arc_bytes(self._machine)
        if arc_bytes is not None:
            section["arc_bytes"] = arc_bytes
        return section

    def _read_cpu(self) -> dict[str, Any]:
        if self._previous is None:
            self._previous = cpu_times(self._machine.read_text("/proc/stat"))
            time.sleep(FIRST_CPU_SPAN_SECONDS)
        stat = self._machine.read_text("/proc/stat")
        before, self._previous = self._previous, cpu_times(stat)
        total, idle, iowait = (now - then for now, then in zip(self._previous, before))
        result: dict[str, Any] = {
            "cpu_count": sum(line[3:4].isdigit() for line in stat.splitlines() if line[:3] == "cpu")
        }
        if total > 0:
            busy = 100.0 * (total - idle - iowait) / total
            result["cpu_percent"] = round(min(100.0, max(0.0, busy)), 1)
            result["iowait_percent"] = round(min(100.0, max(0.0, 100.0 * iowait / total)), 1)
        return result


def cpu_times(stat: str) -> CpuTimes:
    """Return total, idle and iowait ticks of all CPUs from /proc/stat; guest time is already part of user time."""
    fields = [int(field) for field in stat.split("\n", 1)[0].split()[1:9]]
    return sum(fields), fields[3], fields[4]


def read_memory(machine: Machine) -> dict[str, Any]:
    """Read /proc/meminfo; used is what is not available to programs, so the ZFS ARC counts as used."""
    values: dict[str, int] = {}
    for line in machine.read_text("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            values[name] = int(words[0]) * 1024
    total = values["MemTotal"]
    available = values.get("MemAvailable")
    if available is None:
        available = sum(values.get(name, 0) for name in ("MemFree", "Buffers", "Cached"))
    result = {"mem_used_bytes": total - available, "mem_total_bytes": total}
    if "SwapTotal" in values:
        result["swap_total_bytes"] = values["SwapTotal"]
        result["swap_used_bytes"] = values["SwapTotal"] - values.get("SwapFree", 0)
    return result


def find_arc_bytes(machine: Machine) -> int | None:
    """Return the size of the ZFS cache from the kernel's counters, None without ZFS."""
    for line in (machine.find_text("/proc/spl/kstat/zfs/arcstats") or "").splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "size" and words[2].isdigit():
            return int(words[2])
    return None
