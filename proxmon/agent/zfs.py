"""Finds out how ZFS is: versions, the pools' states from the kernel, and answers of `zpool` and `zfs`."""

from __future__ import annotations

import re

from .machine import Machine
from .programs import Finished
from .sections import SectionError

KSTAT_FOLDER = "/proc/spl/kstat/zfs"
PROGRAM_SECONDS = 10.0
# A pool in any other state answers no questions about its datasets: `zfs list` leaves them out without a word.
ANSWERING_STATES = ("ONLINE", "DEGRADED")


def module_version(machine: Machine) -> str | None:
    """Return the version of the loaded ZFS module, such as `2.3.2-1`, or None."""
    text = machine.find_text("/sys/module/zfs/version")
    return text.strip() if text and text.strip() else None


def version_number(version: str | None) -> tuple[int, int]:
    """Return (2, 3) for `2.3.2-1`, and (0, 0) when the version is not known."""
    match = re.match(r"(\d+)\.(\d+)", version or "")
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def kernel_pool_states(machine: Machine) -> dict[str, str] | None:
    """Return the state of each imported pool as the kernel says without taking a lock, None where it does not say.

    These reads answer when `zpool` hangs, and show SUSPENDED (`module/zfs/spa_stats.c`).
    """
    if not machine.exists(KSTAT_FOLDER):
        return None
    states: dict[str, str] = {}
    for name in machine.list_folder(KSTAT_FOLDER):
        state = machine.find_text(f"{KSTAT_FOLDER}/{name}/state")
        if state is not None:
            states[name] = state.strip()
        elif machine.exists(f"{KSTAT_FOLDER}/{name}/io") or machine.exists(f"{KSTAT_FOLDER}/{name}/txgs"):
            return None  # a pool of a version that does not tell states
    return states


def is_absent(machine: Machine) -> bool:
    """Say whether this machine has no ZFS at all: neither the module nor its programs."""
    return module_version(machine) is None and not machine.exists(KSTAT_FOLDER) and not machine.programs.find("zpool")


def checked(finished: Finished, command: str) -> str:
    """Return what a program printed.

    Raises:
        SectionError: it failed; says so in its own words.

    """
    if finished.returncode != 0:
        raise SectionError(f"{command} failed with status {finished.returncode}: {first_line(finished.stderr)}")
    return finished.stdout


def first_line(text: str) -> str:
    """Return the first line that says something, cut to a length that fits a card."""
    lines: list[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:200] if lines else "it said nothing"


def has_no_module(finished: Finished) -> bool:
    """Say whether a ZFS program could not work because the module is not loaded."""
    return "modules" in finished.stderr and finished.returncode != 0
