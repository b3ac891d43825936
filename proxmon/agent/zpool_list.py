"""Read `zpool list`: text with or without headings (`-H`), exact (`-p`) or abbreviated, and JSON (`-j`)."""

from __future__ import annotations

from typing import Any

from . import columns
from .zfs_json import as_text, list_objects, load_section, property_values

_STATES = ("ONLINE", "DEGRADED", "FAULTED", "OFFLINE", "REMOVED", "UNAVAIL", "SUSPENDED", "SPLIT", "UNKNOWN")
_HEADINGS = {
    "NAME": "name",
    "HEALTH": "health",
    "SIZE": "size_bytes",
    "ALLOC": "alloc_bytes",
    "FREE": "free_bytes",
    "FREEING": "freeing_bytes",
    "CAP": "capacity_percent",
    "FRAG": "fragmentation_percent",
    "DEDUP": "dedup_ratio",
    "RDONLY": "is_readonly",
    "ALTROOT": "altroot",
    "CKPOINT": "checkpoint_bytes",
    "EXPANDSZ": "expand_bytes",
    "GUID": "guid",
}
_PROPERTIES = {
    "health": "health",
    "size": "size_bytes",
    "allocated": "alloc_bytes",
    "free": "free_bytes",
    "freeing": "freeing_bytes",
    "capacity": "capacity_percent",
    "fragmentation": "fragmentation_percent",
    "dedupratio": "dedup_ratio",
    "readonly": "is_readonly",
    "altroot": "altroot",
    "checkpoint": "checkpoint_bytes",
    "expandsize": "expand_bytes",
    "guid": "guid",
}
_DEFAULT = "NAME SIZE ALLOC FREE CKPOINT EXPANDSZ FRAG CAP DEDUP HEALTH ALTROOT"
_LAYOUTS = tuple(
    tuple(_HEADINGS[heading] for heading in layout.split())
    for layout in (
        "NAME HEALTH CAP FRAG SIZE ALLOC FREE",
        "NAME SIZE ALLOC FREE FRAG DEDUP HEALTH",  # what Proxmox VE itself asks for
        "NAME SIZE ALLOC FREE FREEING CAP FRAG DEDUP HEALTH RDONLY ALTROOT CKPOINT EXPANDSZ GUID",
        _DEFAULT,
        _DEFAULT.replace("CKPOINT ", ""),  # before OpenZFS 0.8
        "NAME HEALTH",
        "NAME",
    )
)
_CHECKS: columns.Checks = {
    "name": columns.is_name,
    "health": lambda field: field in _STATES,
    **{column: columns.is_amount for column in _HEADINGS.values() if column.endswith(("_bytes", "_percent", "_ratio"))},
}


def parse_zpool_list(text: str) -> list[dict[str, Any]]:
    """Return one record per pool with the columns that the output has; `-` is None. Never raises.

    Columns without headings are known for the sets that the agent, Proxmox VE and plain `zpool list -H` use.
    Abbreviated sizes are as exact as they were printed; the guid stays text, since it exceeds 2**53.
    """
    rows = columns.read_rows(text.split("\n"), _HEADINGS, _LAYOUTS, _CHECKS)
    return [columns.as_values(row) for row in rows]


def parse_zpool_list_json(text: str) -> list[dict[str, Any]]:
    """Return the same of `zpool list -j`, which prints nothing at all on a host without pools.

    Raises:
        ParseError: the text is neither empty nor a JSON object.
    """
    if not text.strip():
        return []
    return [_pool(key, record) for key, record in list_objects(load_section(text, "pools"))]


def _pool(key: str, record: dict[str, Any]) -> dict[str, Any]:
    values = property_values(record)
    fields: dict[str, Any] = {"name": as_text(record.get("name")) or key, "health": record.get("state")}
    guid = record.get("pool_guid", record.get("guid"))
    if guid is not None:
        fields["guid"] = guid
    fields.update({column: values[name] for name, column in _PROPERTIES.items() if name in values})
    return columns.as_values(fields)
