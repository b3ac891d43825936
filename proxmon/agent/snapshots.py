"""Counts snapshots per dataset from a stream of names, so that 50,000 of them need no memory and little time."""

from __future__ import annotations

from . import zfs
from .machine import Machine

LIST_SECONDS = 120.0  # tens of thousands of snapshots on sleeping disks
MAX_LIST_BYTES = 256 << 20
NAMES_PER_QUESTION = 100
# Since 2.2 the kernel lists name and createtxg without opening each snapshot; the dates of the first and the last of
# a dataset are then asked for by name, and only when they are new. Before, every question opens every snapshot.
FAST_SINCE = (2, 2)


class Counted:
    """The snapshots of one dataset: how many, and the order key and name of the oldest and the newest."""

    __slots__ = ("count", "newest", "oldest")

    def __init__(self, count: int, oldest: tuple[int, str], newest: tuple[int, str]) -> None:
        self.count = count
        self.oldest = oldest
        self.newest = newest


class SnapshotCounter:
    """Takes the lines of `zfs list -Hp -t snapshot -o name,KEY` one by one; KEY is a whole number that orders them."""

    def __init__(self) -> None:
        self.datasets: dict[str, Counted] = {}
        self.unreadable: str | None = None

    def add(self, line: str) -> None:
        """Count one line; the first that is no snapshot is kept as `unreadable`."""
        name, _, key_text = line.rpartition("\t")
        dataset, separator, snapshot = name.partition("@")
        if not separator or not key_text.isdigit():
            self.unreadable = self.unreadable or line[:200]
            return
        key = int(key_text)
        counted = self.datasets.get(dataset)
        if counted is None:
            self.datasets[dataset] = Counted(1, (key, snapshot), (key, snapshot))
            return
        counted.count += 1
        if key < counted.oldest[0]:
            counted.oldest = (key, snapshot)
        elif key >= counted.newest[0]:
            counted.newest = (key, snapshot)


class SnapshotFacts:
    """What is known of one dataset's snapshots; times are Unix seconds."""

    __slots__ = ("count", "newest_unix", "oldest_unix")

    def __init__(self, count: int, oldest_unix: int | None, newest_unix: int | None) -> None:
        self.count = count
        self.oldest_unix = oldest_unix
        self.newest_unix = newest_unix


class SnapshotLister:
    """Asks for all snapshots in the cheapest way that this version of ZFS has."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._creations: dict[tuple[str, int], int] = {}

    def facts(self) -> dict[str, SnapshotFacts]:
        """Return the facts by dataset, for datasets that have snapshots.

        Raises:
            ProgramError: `zfs` is not installed, too slow, or stuck.
            SectionError: it failed, or printed what is no list of snapshots.

        """
        if zfs.version_number(zfs.module_version(self._machine)) >= FAST_SINCE:
            return self._facts_by_createtxg()
        counter = self._count("creation", "name")
        return {
            dataset: SnapshotFacts(counted.count, counted.oldest[0], counted.newest[0])
            for dataset, counted in counter.datasets.items()
        }

    def _count(self, key: str, order: str) -> SnapshotCounter:
        counter = SnapshotCounter()
        argv = ("zfs", "list", "-Hp", "-t", "snapshot", "-o", f"name,{key}", "-s", order)
        finished = self._machine.programs.run(argv, LIST_SECONDS, counter.add, MAX_LIST_BYTES)
        zfs.checked(finished, "zfs list -t snapshot")
        if counter.unreadable is not None:
            raise zfs.SectionError(f"zfs list printed what is no list of snapshots: {counter.unreadable}")
        return counter

    def _facts_by_createtxg(self) -> dict[str, SnapshotFacts]:
        datasets = self._count("createtxg", "createtxg").datasets
        wanted = {
            (f"{dataset}@{name}", txg)
            for dataset, counted in datasets.items()
            for txg, name in (counted.oldest, counted.newest)
        }
        known = {key: value for key, value in self._creations.items() if key in wanted}
        missing = [name for name, _ in sorted(wanted - known.keys())]
        found = self._ask_creations(missing)
        known.update({(name, txg): found[name] for name, txg in wanted if name in found})
        self._creations = known
        return {
            dataset: SnapshotFacts(
                counted.count,
                known.get((f"{dataset}@{counted.oldest[1]}", counted.oldest[0])),
                known.get((f"{dataset}@{counted.newest[1]}", counted.newest[0])),
            )
            for dataset, counted in datasets.items()
        }

    def _ask_creations(self, names: list[str]) -> dict[str, int]:
        """Return the creation times by name; a snapshot that was destroyed meanwhile is left out."""
        found: dict[str, int] = {}
        for start in range(0, len(names), NAMES_PER_QUESTION):
            some = names[start : start + NAMES_PER_QUESTION]
            argv = ("zfs", "get", "-Hp", "-o", "name,value", "creation", *some)
            finished = self._machine.programs.run(argv, LIST_SECONDS)
            for line in finished.stdout.splitlines():
                name, _, value = line.partition("\t")
                if value.isdigit():
                    found[name] = int(value)
        return found
