"""Read the text of `zpool status`, with any of its options, of OpenZFS 0.6 to 2.4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import Any

from . import scans, units, vdevs
from .vdevs import Vdev

_Paragraph = tuple[str, list[str]]

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_KEY = re.compile(
    r"\s*(pool|id|state|status|action|see|scan|scrub|remove|checkpoint|expand|condense|comment|config|errors|dedup)"
    r":(?:\s+(.*))?"
)
_HEALTHY_POOL = re.compile(r"pool '(.+)' is healthy")
_STATE = "ONLINE|DEGRADED|FAULTED|OFFLINE|REMOVED|UNAVAIL|SUSPENDED|SPLIT|UNKNOWN|AVAIL|INUSE"
_COUNTER = r"(?:[0-9]+(?:[.,][0-9]+)?[KMGTPEZ]?|-)"
_COUNTERS = re.compile(rf"\s+({_COUNTER})\s+({_COUNTER})\s+({_COUNTER})(?=\s|$)")
# A name may hold blanks, so two of them before the state are looked for first: copies have only one left.
_ROWS = (
    re.compile(rf"(\s*)(\S.*?)\s\s+({_STATE})(?![\w.:-])(.*)"),
    re.compile(rf"(\s*)(\S.*?)\s({_STATE})(?![\w.:-])(.*)"),
    re.compile(rf"(\s*)(\S.*?)\s+(\S+)(?=(?:\s+{_COUNTER}){{3}}(?:\s|$))(.*)"),
)
_GONE = re.compile(r"(?:indirect|hole)-[0-9]+")  # what is left of a vdev that was removed; it has no disk
_MAX_ROW = 2000  # a path has at most 1024 bytes; the patterns need the square of a row's length
_SECTIONS = {"logs": "log", "log": "log", "cache": "cache", "spares": "spare", "special": "special", "dedup": "dedup"}
_WAS = re.compile(r"\bwas (\S.*?)(?=\s\s|$)")
_RESILVERING = re.compile(r"\((?:resilvering|awaiting resilver)\)")
_ERROR_COUNT = re.compile(r"([0-9]{1,20}) (?:data )?errors?\b")
# What stands between the lines of an error list without being one: the old table's head, and `-T`'s time stamps.
_NO_ERROR = re.compile(r"\s*DATASET\s+OBJECT\b.*|[0-9]{9,11}|\S+ \S+ +\S+ \S+ \S+ [0-9]{4}")


def parse_zpool_status(text: str, tz: tzinfo | None = None) -> list[dict[str, Any]]:
    """Return the pools in the contract's form, a pool that is printed again (`zpool status 1`) as it was last.

    Dates stay ctime text in the host's zone; with `tz`, that zone, they become ISO 8601 in UTC.
    Never raises: what cannot be read is left out.
    """
    pools: dict[str, dict[str, Any]] = {}
    for name, paragraphs in _pools(text):
        pools.pop(name, None)
        pools[name] = _pool(name, paragraphs, tz)
    return list(pools.values())


def _pools(text: str) -> Iterator[tuple[str, list[_Paragraph]]]:
    name, paragraphs = "", list[_Paragraph]()
    for line in (each.rstrip() for each in _COLOR.sub("", text).split("\n")):
        key, value = _key(line)
        healthy = _HEALTHY_POOL.fullmatch(line)
        if key == "pool" or healthy:
            if name:
                yield name, paragraphs
            name = healthy.group(1) if healthy else value
            paragraphs = [("state", ["ONLINE"])] if healthy else []
        elif key:
            paragraphs.append((key, [value]))
        elif paragraphs:
            paragraphs[-1][1].append(line)
    if name:
        yield name, paragraphs


def _key(line: str) -> tuple[str, str]:
    match = _KEY.fullmatch(line)
    if match is None or (match.group(1) == "pool" and not match.group(2)):
        return "", ""
    return match.group(1), match.group(2) or ""


def _pool(name: str, paragraphs: list[_Paragraph], tz: tzinfo | None) -> dict[str, Any]:
    found = dict(
        paragraphs
    )  # said twice, the later counts: "errors: List of errors unavailable" comes before the number
    pool: dict[str, Any] = {"name": name}
    state = (found.get("state") or [""])[0].split()
    if state:
        pool["health"] = state[0]
    texts = [" ".join(line.strip() for line in lines) for key, lines in paragraphs if key in ("scan", "scrub")]
    operations = [each for each in (scans.read_scan(text, tz) for text in texts) if each]
    tops = _tree(found.get("config", []))
    running = [each["vdev"] for each in operations if "vdev" in each and each["state"] == "scanning"]
    vdevs.mark_rebuilt(tops, running)
    pool.update(vdevs.summarize(tops))
    errors = _data_error_count(found.get("errors", []))
    if errors is not None:
        pool["data_error_count"] = errors
    return {**pool, **scans.pool_scans(operations), "vdevs": [vdev.as_dict() for vdev in tops]}


def _data_error_count(lines: list[str]) -> int | None:
    first = lines[0] if lines else ""
    if re.match("No known (?:data )?errors", first):
        return 0
    count = _ERROR_COUNT.match(first)
    if count:
        return int(count.group(1))
    if "errors have been detected" not in first:
        return None
    listed = [line for line in lines[1:] if line and not _NO_ERROR.fullmatch(line)]
    return len(listed) or None


def _tree(lines: list[str]) -> list[Vdev]:
    """Return the rows below the pool's own as trees.

    Rows nest by indentation, of whatever width. Only a group holds others: a row that a copy shifted to the right
    below a disk is its sibling.
    """
    tops: list[Vdev] = []
    parents: list[tuple[int, Vdev]] = []
    section, has_root = "data", False
    for line in _row_lines(lines):
        if line.strip() in _SECTIONS:
            section, parents, has_root = _SECTIONS[line.strip()], [], True
            continue
        row = _row(line, section)
        if row is None:
            continue
        indent, vdev = row
        if not has_root:
            has_root = True
            continue
        while parents and (parents[-1][0] >= indent or not _may_hold(parents[-1][1])):
            parents.pop()
        (parents[-1][1].children if parents else tops).append(vdev)
        if len(parents) < vdevs.MAX_DEPTH:
            parents.append((indent, vdev))
    for vdev in vdevs.walk(tops):
        vdev.kind = vdevs.vdev_kind(vdev.name, path=vdev.was, has_children=bool(vdev.children))
    return tops


def _row_lines(lines: list[str]) -> Iterator[str]:
    """Yield the lines up to the blank one that ends the rows; a copy may have one between any two of them."""
    has_rows = after_blank = False
    for line in lines[1:]:
        if not line.strip():
            after_blank = True
            continue
        if has_rows and after_blank and line.strip() not in _SECTIONS and _match_row(line) is None:
            return
        has_rows = has_rows or line.split()[:2] != ["NAME", "STATE"]
        after_blank = False
        yield line


def _may_hold(vdev: Vdev) -> bool:
    # With -g a group is named by its guid.
    return vdevs.group_kind(vdev.name) is not None or vdev.name.isdigit()


def _match_row(line: str) -> re.Match[str] | None:
    return next((found for found in (pattern.fullmatch(line[:_MAX_ROW]) for pattern in _ROWS) if found), None)


def _row(line: str, vdev_class: str) -> tuple[int, Vdev] | None:
    match = _match_row(line)
    if match is None or _GONE.fullmatch(match.group(2)):
        return None
    margin, name, state, rest = match.groups()
    vdev = Vdev(name=name, kind="", vdev_class=vdev_class, state=state)
    counters = _COUNTERS.match(rest)
    if counters:
        vdev.read_errors, vdev.write_errors, vdev.checksum_errors = map(units.parse_number, counters.groups())
    was = _WAS.search(rest)
    vdev.was = was.group(1) if was else None
    vdev.is_resilvering = state == "ONLINE" and _RESILVERING.search(rest) is not None
    return len(margin.expandtabs()), vdev
