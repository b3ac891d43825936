"""Read `zfs list` for datasets and for snapshots: text with or without headings, and JSON (`-j`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Any

from . import columns, units
from .zfs_json import as_text, list_objects, load_section, property_values

_TYPES = ("filesystem", "volume", "snapshot", "bookmark")
# Less is a transaction group: a pool that writes one each 5 s needs 15 years to get there, and 1e8 s is March 1973.
_FIRST_EPOCH = 100_000_000
_HEADINGS = {
    "NAME": "name",
    "TYPE": "type",
    "USED": "used_bytes",
    "AVAIL": "avail_bytes",
    "REFER": "referenced_bytes",
    "MOUNTPOINT": "mountpoint",
    "CREATION": "creation",
    "CREATETXG": "createtxg",
    "USEDSNAP": "used_by_snapshots_bytes",
    "USEDDS": "used_by_dataset_bytes",
    "USEDREFRESERV": "used_by_refreservation_bytes",
    "USEDCHILD": "used_by_children_bytes",
    "QUOTA": "quota_bytes",
    "REFQUOTA": "refquota_bytes",
}
_PROPERTIES = {
    "used": "used_bytes",
    "available": "avail_bytes",
    "referenced": "referenced_bytes",
    "usedbysnapshots": "used_by_snapshots_bytes",
    "usedbydataset": "used_by_dataset_bytes",
    "usedbyrefreservation": "used_by_refreservation_bytes",
    "usedbychildren": "used_by_children_bytes",
    "quota": "quota_bytes",
    "refquota": "refquota_bytes",
    "mountpoint": "mountpoint",
    "creation": "creation",
    "createtxg": "createtxg",
}


def _layouts(*layouts: str) -> tuple[columns.Layout, ...]:
    return tuple(tuple(_HEADINGS[heading] for heading in layout.split()) for layout in layouts)


_DATASET_LAYOUTS = _layouts(
    "NAME TYPE USED AVAIL REFER USEDSNAP QUOTA REFQUOTA MOUNTPOINT",  # what the agent asks for
    "NAME TYPE USED AVAIL REFER USEDSNAP MOUNTPOINT",
    "NAME AVAIL USED USEDSNAP USEDDS USEDREFRESERV USEDCHILD",  # zfs list -o space
    "NAME USED AVAIL REFER MOUNTPOINT TYPE USEDSNAP CREATION",
    "NAME USED AVAIL REFER MOUNTPOINT",
    "NAME USED AVAIL REFER",
    "NAME USED AVAIL",
    "NAME",
)
_SNAPSHOT_LAYOUTS = _layouts(
    "NAME CREATION USED REFER",
    "NAME CREATION USED",
    "NAME CREATION",
    "NAME CREATETXG",
    "NAME USED REFER CREATION",
    "NAME USED CREATION",
    "NAME USED AVAIL REFER MOUNTPOINT",
    "NAME",
)


def _is_creation(field: str) -> bool:
    seconds = units.parse_number(field)
    return seconds >= _FIRST_EPOCH if seconds is not None else units.find_date(field) is not None


_CHECKS: columns.Checks = {
    "name": columns.is_name,
    "type": lambda field: field in _TYPES,
    "creation": _is_creation,
    "createtxg": lambda field: units.parse_number(field) is not None,
    **{column: columns.is_amount for column in _HEADINGS.values() if column.endswith("_bytes")},
}
_SNAPSHOT_CHECKS: columns.Checks = {**_CHECKS, "name": lambda field: "@" in field}


def parse_zfs_list(text: str, tz: tzinfo | None = None) -> list[dict[str, Any]]:
    """Return one record per dataset with the columns that the output has; `-` is None. Never raises.

    A creation date becomes `creation_unix`; one printed in words needs `tz`, the host's zone, and stays text without.
    """
    rows = columns.read_rows(text.split("\n"), _HEADINGS, _DATASET_LAYOUTS, _CHECKS)
    return [_values(row, tz) for row in rows]


def parse_snapshots(text: str, tz: tzinfo | None = None) -> list[dict[str, Any]]:
    """Return one record per snapshot, as `read_snapshots` does. Never raises."""
    return list(read_snapshots(text.split("\n"), tz))


def read_snapshots(lines: Iterable[str], tz: tzinfo | None = None) -> Iterator[dict[str, Any]]:
    """Yield one record per line of `zfs list -t snapshot`, so that 50,000 of them need not be held at once.

    Without headings the second column of two is a creation date or a transaction group (`createtxg`), by its size.
    """
    for row in columns.read_rows(lines, _HEADINGS, _SNAPSHOT_LAYOUTS, _SNAPSHOT_CHECKS):
        yield _snapshot(_values(row, tz))


def parse_zfs_list_json(text: str, tz: tzinfo | None = None) -> list[dict[str, Any]]:
    """Return the datasets of `zfs list -j` as `parse_zfs_list` does.

    Raises:
        ParseError: the text is no JSON, or no JSON object.
    """
    return [_dataset(key, record, tz) for key, record in list_objects(load_section(text, "datasets"))]


def parse_snapshots_json(text: str, tz: tzinfo | None = None) -> list[dict[str, Any]]:
    """Return the snapshots of `zfs list -j -t snapshot` as `parse_snapshots` does, other types left out.

    Raises:
        ParseError: the text is no JSON, or no JSON object.
    """
    return [_snapshot(record) for record in parse_zfs_list_json(text, tz) if "@" in record["name"]]


def _dataset(key: str, record: dict[str, Any], tz: tzinfo | None) -> dict[str, Any]:
    values = property_values(record)
    fields: dict[str, Any] = {"name": as_text(record.get("name")) or key}
    kind = as_text(record.get("type"))
    if kind is not None:
        fields["type"] = kind.lower()
    if "createtxg" in record:
        fields["createtxg"] = record["createtxg"]
    fields.update({column: values[name] for name, column in _PROPERTIES.items() if name in values})
    return _values(fields, tz)


def _values(row: dict[str, Any], tz: tzinfo | None) -> dict[str, Any]:
    values = columns.as_values(row)
    if "type" not in values and "@" in values["name"]:
        values["type"] = "snapshot"
    if "creation" in values:
        created = units.parse_epoch(row["creation"], tz)
        if created is not None:
            del values["creation"]
            values["creation_unix"] = created
    return values


def _snapshot(values: dict[str, Any]) -> dict[str, Any]:
    """Return the record with its dataset and without the columns that no snapshot has."""
    dataset, _, snapshot = values["name"].partition("@")
    kept = {key: value for key, value in values.items() if key not in ("avail_bytes", "mountpoint", "type")}
    return {"name": kept.pop("name"), "dataset": dataset, "snapshot": snapshot, **kept}
