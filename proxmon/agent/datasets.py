"""Collects the section `zfs_datasets`: datasets with their sizes and what is known of their snapshots."""

from __future__ import annotations

from typing import Any

from . import zfs
from .flights import Flight, StillWaitingError
from .machine import Machine
from .message import iso_utc
from .programs import Finished, ProgramError
from .sections import Section, SectionError
from .snapshots import SnapshotFacts, SnapshotLister
from .zfs_list import parse_zfs_list

COLUMNS = "name,type,used,avail,refer,usedbysnapshots,quota,refquota,mountpoint"
LIST_SECONDS = 30.0
# Listing snapshots may take one part in sixty of the time: 0.1 s every five minutes, four minutes every four hours.
SNAPSHOT_PAUSE_FACTOR = 60.0


class DatasetsSection:
    """Collects the datasets; pools that do not answer are named in `unknown_pools` instead of losing their datasets."""

    def __init__(self, machine: Machine, snapshot_wait_seconds: float) -> None:
        self._machine = machine
        self._snapshot_wait_seconds = snapshot_wait_seconds
        self._flight: Flight[dict[str, SnapshotFacts]] = Flight("snapshots", SnapshotLister(machine).facts)
        self._facts: dict[str, SnapshotFacts] | None = None
        self._listed_at = 0.0
        self._next_list_at = 0.0

    def collect(self) -> Section:
        """Return the section."""
        states = zfs.kernel_pool_states(self._machine)
        if zfs.is_absent(self._machine) or states == {}:
            return {"datasets": []}
        finished = self._machine.programs.run(
            ("zfs", "list", "-Hp", "-t", "filesystem,volume", "-o", COLUMNS), LIST_SECONDS
        )
        if zfs.has_no_module(finished):
            return {"datasets": []}
        datasets = read_datasets(zfs.checked(finished, "zfs list"))
        section: Section = {"datasets": datasets}
        unknown = unknown_pools(datasets, self._states(finished, states))
        if unknown:
            section["unknown_pools"] = unknown
        section.update(self._add_snapshots(datasets))
        return section

    def _states(self, listing: Finished, states: dict[str, str] | None) -> dict[str, str]:
        """Return the pools' states, from `zpool` where the kernel does not tell them."""
        if states is not None:
            return states
        finished = self._machine.programs.run(("zpool", "list", "-Hp", "-o", "name,health"), zfs.PROGRAM_SECONDS)
        lines = [line.split("\t") for line in zfs.checked(finished, "zpool list").splitlines()]
        found = {fields[0]: fields[1] for fields in lines if len(fields) == 2}
        if not found and not listing.stdout and "no datasets available" not in listing.stderr:
            raise SectionError("zfs list printed nothing")
        return found

    def _add_snapshots(self, datasets: list[dict[str, Any]]) -> Section:
        extra = self._refresh_snapshots()
        if self._facts is None:
            return extra
        for dataset in datasets:
            facts = self._facts.get(dataset["name"], SnapshotFacts(0, None, None))
            dataset["snapshot_count"] = facts.count
            dataset["newest_snapshot_unix"] = facts.newest_unix
            dataset["oldest_snapshot_unix"] = facts.oldest_unix
        return {"snapshots_at": iso_utc(self._listed_at), **extra}

    def _refresh_snapshots(self) -> Section:
        if self._facts is not None and self._machine.monotonic() < self._next_list_at:
            return {}
        try:
            self._flight.start()
            self._facts = self._flight.answer(self._snapshot_wait_seconds)
        except StillWaitingError as error:
            # On slow disks this takes minutes; until it is done the counts of before stand, with their date.
            return {} if self._facts is not None else {"incomplete": f"snapshots: {error}"}
        except (ProgramError, SectionError) as error:
            return {"incomplete": f"snapshots: {error}"}
        self._listed_at = self._machine.wall_clock()
        self._next_list_at = self._machine.monotonic() + SNAPSHOT_PAUSE_FACTOR * self._flight.seconds_taken
        return {}


def read_datasets(text: str) -> list[dict[str, Any]]:
    """Read `zfs list`, naming the space that snapshots hold as the contract's other sizes are named.

    Raises:
        SectionError: it printed something that is no list of datasets.

    """
    datasets = parse_zfs_list(text)
    if text.strip() and not datasets:
        raise SectionError(f"zfs list names no dataset: {zfs.first_line(text)}")
    for dataset in datasets:
        if "used_by_snapshots_bytes" in dataset:
            dataset["snapshot_bytes"] = dataset.pop("used_by_snapshots_bytes")
        for limit in ("quota_bytes", "refquota_bytes"):
            if not dataset.get(limit):  # 0 is no quota, and a zvol has none
                dataset.pop(limit, None)
    return datasets


def unknown_pools(datasets: list[dict[str, Any]], states: dict[str, str]) -> list[str]:
    """Return the imported pools whose datasets are not told: by their state, or because even their root is missing."""
    listed = {dataset["name"] for dataset in datasets}
    return sorted(name for name, state in states.items() if state not in zfs.ANSWERING_STATES or name not in listed)
