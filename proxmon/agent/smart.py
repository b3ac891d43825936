"""Reads what smartmontools knows of a disk: the JSON of `smartctl -j`, and the state that `smartd` keeps in a file."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from .zfs_json import as_object

# SMART attributes whose raw value counts sectors, or hours, on disks of all makers.
_ATTRIBUTES = {
    5: "reallocated_sectors",
    9: "power_on_hours",
    197: "pending_sectors",
    198: "uncorrectable_sectors",
}
_TEMPERATURES = (194, 190)
_STATE_LINE = re.compile(r"\s*([a-z-]+)(?:\.(\d+)\.([a-z-]+))? *= *(\d+)\s*")
_HEALTH_MAIL = "1"  # smartd has mailed that the disk fails its own check, and not taken it back


def parse_smartctl(text: str) -> dict[str, Any]:
    """Read `smartctl -n standby -j -i -H -A`, whose exit status has a bit for each finding and so says little.

    A disk that sleeps is left asleep and is `standby`. What is no JSON says nothing.
    """
    try:
        document = as_object(json.loads(text))
    except (ValueError, RecursionError):
        return {}
    messages = as_object(document.get("smartctl")).get("messages")
    if re.search(r"in (?:STANDBY|SLEEP)\b", json.dumps(messages)):
        return {"standby": True, "smart_source": "smartctl"}
    nvme = as_object(document.get("nvme_smart_health_information_log"))
    facts: dict[str, Any] = {
        "smart_passed": _typed(as_object(document.get("smart_status")).get("passed"), bool),
        "temperature_celsius": _typed(as_object(document.get("temperature")).get("current"), int),
        "power_on_hours": _typed(as_object(document.get("power_on_time")).get("hours"), int),
        "wear_percent": _typed(nvme.get("percentage_used"), int),
        "media_errors": _typed(nvme.get("media_errors"), int),
        "smart_source": "smartctl",
    }
    table: Any = as_object(document.get("ata_smart_attributes")).get("table")
    rows = cast("list[Any]", table) if isinstance(table, list) else []
    for row in map(as_object, rows):
        name, raw = _ATTRIBUTES.get(row.get("id", 0)), as_object(row.get("raw")).get("value")
        if name and name != "power_on_hours" and _typed(raw, int) is not None:
            facts[name] = raw
    return {key: value for key, value in facts.items() if value is not None}


def parse_smartd_state(text: str) -> dict[str, Any]:
    """Read a state file of smartd, which leaves out what is 0."""
    attributes: dict[str, dict[str, int]] = {}
    facts: dict[str, Any] = {}
    for name, number, field, value in (
        match.groups() for match in map(_STATE_LINE.fullmatch, text.splitlines()) if match
    ):
        if name == "ata-smart-attribute":
            attributes.setdefault(number, {})[field] = int(value)
        elif (name, number, field) == ("mail", _HEALTH_MAIL, "count"):
            facts["smart_passed"] = False
        elif name == "ata-error-count":
            facts["ata_errors"] = int(value)
        elif name == "nvme-err-log-entries":
            facts["nvme_error_log_entries"] = int(value)
    raw = {row["id"]: row.get("raw", 0) for row in attributes.values() if "id" in row}
    # Makers keep more in the higher bytes: minima and maxima beside a temperature, milliseconds beside hours.
    facts.update({name: raw[id_] & 0xFFFFFFFF for id_, name in _ATTRIBUTES.items() if id_ in raw})
    hot = next((raw[id_] & 0xFF for id_ in _TEMPERATURES if raw.get(id_, 0) & 0xFF), None)
    return facts if hot is None else {**facts, "temperature_celsius": hot}


def file_serial(serial: str) -> str:
    """Return a serial number as smartd writes it into a file's name."""
    return re.sub(r"[^A-Za-z0-9.]", "_", serial)


def _typed(value: Any, kind: type) -> Any:
    """Return the value when it is exactly of this kind: True is no number here."""
    return value if type(value) is kind else None
