"""The vdev tree of a pool and what follows from it, whichever output it was read from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

MAX_DEPTH = 12  # OpenZFS nests four levels; a damaged copy must not nest without end
_LEAF_KINDS = ("disk", "file")
_GROUP = re.compile(r"(mirror|replacing|spare|raidz[1-3]?|draid[1-3](?=:|$))(?:[:][^\s-]*)?(?:-[0-9]+)?")
_GROUP_TYPES = ("mirror", "replacing", "spare")
# A vdev of one of these classes holds data that exists nowhere else in the pool.
_CLASSES_WITH_DATA = ("data", "special", "dedup")


class Vdev:
    """One row of the tree; it grows while the output is read."""

    def __init__(  # noqa: PLR0917 - the columns of a row, in their order
        self,
        name: str,
        kind: str,
        vdev_class: str,
        state: str,
        read_errors: int | None = None,
        write_errors: int | None = None,
        checksum_errors: int | None = None,
        was: str | None = None,
        is_resilvering: bool = False,
        children: list[Vdev] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.vdev_class = vdev_class
        self.state = state
        self.read_errors = read_errors
        self.write_errors = write_errors
        self.checksum_errors = checksum_errors
        self.was = was
        self.is_resilvering = is_resilvering
        self.children: list[Vdev] = [] if children is None else children

    @property
    def is_spare(self) -> bool:
        """Return whether the row is in the list of spares; a spare in use is also in the tree."""
        return self.vdev_class == "spare"

    @property
    def errors(self) -> list[int]:
        """The counters that the output gave: none for a spare."""
        counters = (self.read_errors, self.write_errors, self.checksum_errors)
        return [counter for counter in counters if counter is not None]

    def as_dict(self) -> dict[str, Any]:
        """Return the vdev in the contract's form."""
        return {
            "name": self.name,
            "kind": self.kind,
            "class": self.vdev_class,
            "state": self.state,
            "read_errors": self.read_errors,
            "write_errors": self.write_errors,
            "checksum_errors": self.checksum_errors,
            "was": self.was,
            "children": [child.as_dict() for child in self.children],
        }


def group_kind(name: str) -> str | None:
    """Return the kind that a group's name tells (`raidz2-0`, `draid1:4d:6c:1s-0`), None for other names."""
    match = _GROUP.fullmatch(name)
    if match is None:
        return None
    return "raidz1" if match.group(1) == "raidz" else match.group(1)


def vdev_kind(name: str, vdev_type: str | None = None, path: str | None = None, has_children: bool = False) -> str:
    """Return the kind of a vdev.

    The text names no types, but a file by its full path and a disk without, or under /dev.
    A group named by its guid (`-g`) is `unknown` where only the name is at hand.
    """
    kind = group_kind(name)
    if kind is not None:
        return kind
    if vdev_type in _GROUP_TYPES:
        return str(vdev_type)
    if has_children:
        return "unknown"
    if vdev_type is not None:
        return "file" if vdev_type == "file" else "disk"
    location = path or name
    is_file = location.startswith("/") and not location.startswith("/dev/")
    return "file" if is_file else "disk"


def walk(vdevs: Iterable[Vdev]) -> Iterator[Vdev]:
    """Yield every vdev of the trees, parents first."""
    for vdev in vdevs:
        yield vdev
        yield from walk(vdev.children)


def mark_rebuilt(vdevs: Iterable[Vdev], rebuilding: Iterable[str]) -> None:
    """Mark the disks that running sequential rebuilds fill; the JSON does not say which these are.

    A rebuild fills the newest disk: the last one of a `replacing` or `spare`, else the last one of the mirror.
    """
    names = set(rebuilding)
    for vdev in vdevs:
        if vdev.name not in names:
            continue
        groups = [each for each in walk(vdev.children) if each.kind in ("replacing", "spare") and each.children]
        for group in groups or ([vdev] if vdev.kind == "mirror" and vdev.children else []):
            group.children[-1].is_resilvering = True


def redundancy_left(vdevs: Iterable[Vdev]) -> int | None:
    """Return how many more disks of the worst vdev may fail before data is lost.

    Looked at are the top-level vdevs that hold data: normal, special and dedup. A log is left out, since its loss
    costs data only together with a crash, and so are cache and spares. A mirror may lose all but one of its complete
    disks, raidzN and draidN N less those that are missing, a lone disk none. A disk is complete when it is ONLINE and
    not being resilvered; a `replacing` or `spare` when one of its disks is. Never negative; None when unknown.
    """
    tolerances = [_tolerance(vdev) for vdev in vdevs if vdev.vdev_class in _CLASSES_WITH_DATA]
    known = [tolerance for tolerance in tolerances if tolerance is not None]
    if not known or len(known) < len(tolerances):
        return None
    return max(0, min(known))


def _tolerance(vdev: Vdev) -> int | None:
    if vdev.kind in _LEAF_KINDS:
        return 0
    if not vdev.children or vdev.kind == "unknown":
        return None
    complete = sum(_is_complete(child) for child in vdev.children)
    if vdev.kind in _GROUP_TYPES:
        return complete - 1
    return int(vdev.kind[-1]) - (len(vdev.children) - complete)


def _is_complete(vdev: Vdev) -> bool:
    if vdev.children:
        return any(_is_complete(child) for child in vdev.children)
    return vdev.state == "ONLINE" and not vdev.is_resilvering


def summarize(vdevs: list[Vdev]) -> dict[str, Any]:
    """Return the counts of a pool in the contract's form, without those that the output does not tell."""
    counted = [vdev for vdev in walk(vdevs) if not vdev.is_spare]
    leaf_errors = [count for vdev in counted if not vdev.children for count in vdev.errors]
    counts: dict[str, Any] = {}
    if leaf_errors:
        counts["error_count"] = sum(leaf_errors)
    if counted:
        counts["vdev_count"] = len(counted)
        counts["degraded_vdev_count"] = sum(vdev.state != "ONLINE" for vdev in counted)
    redundancy = redundancy_left(vdevs)
    if redundancy is not None:
        counts["redundancy_left"] = redundancy
    return counts
