"""Read `zpool status -j` of OpenZFS 2.3 and later, with or without --json-int and --json-flat-vdevs."""

from __future__ import annotations

from datetime import timezone, tzinfo
from typing import Any

from . import scans, units, vdevs
from .vdevs import Vdev
from .zfs_json import as_object, as_text, list_objects, load_section

_Json = dict[str, Any]

_SECTIONS = {"dedup": "dedup", "special": "special", "logs": "log", "l2cache": "cache", "spares": "spare"}
_CLASSES = {"log": "log", "l2cache": "cache", "spare": "spare", "special": "special", "dedup": "dedup"}
_STATES = {"HEALTHY": "ONLINE", "CLOSED": "OFFLINE", "CANT_OPEN": "UNAVAIL"}
# The text has other words for these two reasons not to open a vdev.
_CANT_OPEN = {"CORRUPT_DATA": "FAULTED", "BAD_LOG": "FAULTED", "SPLIT_POOL": "SPLIT"}
_SCAN_STATES = {"SCANNING": "scanning", "FINISHED": "finished", "CANCELED": "canceled"}
_REBUILD_STATES = {"ACTIVE": "scanning", "COMPLETE": "finished", "CANCELED": "canceled"}


def parse_zpool_status_json(text: str, tz: tzinfo | None = None) -> list[dict[str, Any]]:
    """Return the pools as `parse_zpool_status` does: same words, same counts, same scans as the text shows.

    Raises:
        ParseError: the text is no JSON, or no JSON object.
    """
    return [
        _pool(as_text(pool.get("name")) or key, pool, tz) for key, pool in list_objects(load_section(text, "pools"))
    ]


def _pool(name: str, pool: _Json, tz: tzinfo | None) -> dict[str, Any]:
    stats = as_object(pool.get("scan_stats"))
    operations = _operations(stats, tz)
    is_resilvering = (stats.get("function"), stats.get("state")) == ("RESILVER", "SCANNING")
    tops = _tree(name, pool, is_resilvering)
    running = [each["vdev"] for each in operations if "vdev" in each and each["state"] == "scanning"]
    vdevs.mark_rebuilt(tops, running)
    record: dict[str, Any] = {"name": name}
    state = as_text(pool.get("state"))
    if state is not None:
        record["health"] = _STATES.get(state, state)
    record.update(vdevs.summarize(tops))
    errors = units.parse_number(pool.get("error_count"))
    if errors is not None:
        record["data_error_count"] = errors
    return {**record, **scans.pool_scans(operations), "vdevs": [vdev.as_dict() for vdev in tops]}


def _operations(stats: _Json, tz: tzinfo | None) -> list[dict[str, Any]]:
    """Return the operations that `zpool status` would print: the scrub, and the later of resilver and rebuild."""
    scan = None if "err_scrub_func" in stats else _scan(stats, tz)
    rebuilds = [_rebuild(name, rebuild, tz) for name, rebuild in list_objects(stats.get("rebuild_stats"))]
    rebuilds = [rebuild for rebuild in rebuilds if rebuild]
    is_rebuilding = any(rebuild["state"] == "scanning" for rebuild in rebuilds)
    rebuild_end = max((_seconds(each, "end_time") for _, each in list_objects(stats.get("rebuild_stats"))), default=0)
    if scan is None or scan["function"] == "scrub":
        return ([scan] if scan else []) + rebuilds
    resilver_end = _seconds(stats, "end_time")
    if scan["state"] == "scanning" or not (is_rebuilding or rebuild_end > resilver_end):
        return [scan]
    return rebuilds


def _seconds(stats: _Json, key: str) -> int:
    # Only compared with each other, so any zone will do.
    return units.parse_epoch(stats.get(key), timezone.utc) or 0


def _scan(stats: _Json, tz: tzinfo | None) -> dict[str, Any] | None:
    function = {"SCRUB": "scrub", "RESILVER": "resilver"}.get(str(stats.get("function")))
    state = _SCAN_STATES.get(str(stats.get("state")))
    if function is None or state is None:
        return None
    if state == "scanning" and function == "scrub" and units.parse_date(stats.get("scrub_pause"), timezone.utc):
        state = "paused"
    record = _record(state, stats, _scan_percent(stats), tz)
    return {"function": function, **record, **scans.duration(state, _lasted(stats, tz))}


def _lasted(stats: _Json, tz: tzinfo | None) -> int | None:
    zone = tz or timezone.utc  # one that is not known is the same at both ends, so any will do
    start, end = (units.parse_epoch(stats.get(key), zone) for key in ("start_time", "end_time"))
    return end - start if start and end else None


def _rebuild(name: str, stats: _Json, tz: tzinfo | None) -> dict[str, Any] | None:
    state = _REBUILD_STATES.get(str(stats.get("state")))
    if state is None:
        return None
    scanned, to_scan = units.parse_number(stats.get("scanned")), units.parse_number(stats.get("to_scan"))
    percent = min(_percent(scanned, to_scan) or 0.0, 100.0)
    return {"vdev": name, **_record(state, stats, percent, tz)}


def _record(state: str, stats: _Json, percent: float | None, tz: tzinfo | None) -> dict[str, Any]:
    return scans.scan_record(
        state,
        percent=percent,
        errors=units.parse_number(stats.get("errors")),
        start_at=units.parse_date(stats.get("start_time"), tz),
        end_at=units.parse_date(stats.get("end_time"), tz),
    )


def _scan_percent(stats: _Json) -> float | None:
    total = units.parse_number(stats.get("to_examine"))
    skipped = units.parse_number(stats.get("skipped")) or 0
    return _percent(units.parse_number(stats.get("issued")), None if total is None else total - skipped)


def _percent(done: int | None, total: int | None) -> float | None:
    return None if done is None or not total else round(100 * done / total, 2)


def _tree(name: str, pool: _Json, is_resilvering: bool) -> list[Vdev]:
    every = as_object(pool.get("vdevs"))
    root_key = name if name in every else next((key for key, each in list_objects(every) if _is_root(each)), None)
    members = _members(root_key, as_object(every[root_key])) if root_key else list_objects(every)
    tops = [("data", *each) for each in members]
    if root_key:
        # --json-flat-vdevs lists the tops of the other classes beside the pool; a vdev with a parent is listed there.
        flat = [each for each in list_objects(every) if each[0] != root_key and "parent" not in each[1]]
        tops += [(_vdev_class(vdev), key, vdev) for key, vdev in flat]
    for section, vdev_class in _SECTIONS.items():
        tops += [(vdev_class, *each) for each in list_objects(pool.get(section))]
    return [_vdev(key, vdev, vdev_class, is_resilvering, 0) for vdev_class, key, vdev in tops]


def _members(name: str, record: _Json) -> list[tuple[str, _Json]]:
    """Return the vdevs right below; --json-flat-vdevs repeats the lower ones among them, with their parent's name.

    Left out is what remains of a vdev that was removed, as in the text.
    """
    members = [each for each in list_objects(record.get("vdevs")) if each[1].get("parent", name) == name]
    return [each for each in members if each[1].get("vdev_type") not in ("indirect", "hole")]


def _is_root(vdev: _Json) -> bool:
    return vdev.get("vdev_type") == "root"


def _vdev_class(vdev: _Json) -> str:
    """Return a top-level vdev's class; OpenZFS 2.3 leaves it out for draid, but not for the disks below."""
    word = as_text(vdev.get("class"))
    if word is None:
        return next((_vdev_class(child) for _, child in list_objects(vdev.get("vdevs"))), "data")
    return _CLASSES.get(word, "data")


def _vdev(key: str, record: _Json, vdev_class: str, is_resilvering: bool, depth: int) -> Vdev:
    name, vdev_type = as_text(record.get("name")) or key, as_text(record.get("vdev_type"))
    members = _members(name, record) if depth < vdevs.MAX_DEPTH else []
    children = [_vdev(each, member, vdev_class, is_resilvering, depth + 1) for each, member in members]
    was = as_text(record.get("was"))
    kind = vdevs.vdev_kind(name, vdev_type, was, has_children=bool(children))
    state = _state(record, kind, children)
    is_filled = bool(units.parse_number(record.get("scan_processed"))) or "resilver_deferred" in record
    return Vdev(
        name=name,
        kind=kind,
        vdev_class=vdev_class,
        state=state,
        read_errors=units.parse_number(record.get("read_errors")),
        write_errors=units.parse_number(record.get("write_errors")),
        checksum_errors=units.parse_number(record.get("checksum_errors")),
        was=was,
        is_resilvering=is_resilvering and is_filled and state == "ONLINE" and not children,
        children=children,
    )


def _state(record: _Json, kind: str, children: list[Vdev]) -> str:
    word = as_text(record.get("state"))
    if word == "CANT_OPEN":
        return _CANT_OPEN.get(str(record.get("aux")), "UNAVAIL")
    return _STATES.get(word, word) if word else _state_from(kind, children)


def _state_from(kind: str, children: list[Vdev]) -> str:
    """Return the state of a group by ZFS's own rule; OpenZFS 2.3 leaves out the state of draid."""
    if not children:
        return "UNKNOWN"
    missing = sum(child.state not in ("ONLINE", "DEGRADED") for child in children)
    parity = int(kind[-1]) if kind[-1].isdigit() else len(children) - 1
    if missing > parity:
        return "UNAVAIL"
    return "ONLINE" if all(child.state == "ONLINE" for child in children) else "DEGRADED"
