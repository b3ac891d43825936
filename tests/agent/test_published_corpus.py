"""The published outputs: no crash, and the pools and states that their index names; without them nothing is checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxmon.agent.parse import parse
from tests.agent.captures import PUBLISHED, published, walk

STATUS = published("zpool_status")
OTHERS = [
    entry
    for kind in ("zpool_list", "zpool_status_json", "zpool_list_json", "zfs_list_json")
    for entry in published(kind)
]
# One of them asks what a parser makes of `NOTSURE?`: it is shown as it came.
STATES = {
    "SPLIT",
    "NOTSURE?",
    "ONLINE",
    "DEGRADED",
    "FAULTED",
    "OFFLINE",
    "REMOVED",
    "UNAVAIL",
    "SUSPENDED",
    "AVAIL",
    "INUSE",
}


def each_of(entries: list[dict[str, Any]]) -> Callable[[Callable[..., None]], Any]:
    """Run the test for each entry; without entries there is no test, where `parametrize` would show a skipped one."""
    if not entries:
        return lambda test: None
    return pytest.mark.parametrize("entry", entries, ids=[entry["file"] for entry in entries])


def output(entry: dict[str, Any]) -> str:
    return (PUBLISHED / entry["file"]).read_text(errors="replace")


@each_of(STATUS)
def test_a_status_names_the_pools_and_their_states(entry: dict[str, Any]) -> None:
    pools = parse("zpool-status", output(entry))["pools"]
    labels = [(label["pool"], label["state"]) for label in entry.get("auto", [])]
    assert not labels or [(pool["name"], pool["health"]) for pool in pools] == labels
    json.dumps(pools)


@each_of(STATUS)
def test_every_vdev_has_a_state_of_zfs(entry: dict[str, Any]) -> None:
    for pool in parse("zpool-status", output(entry))["pools"]:
        assert {vdev["state"] for vdev in walk(pool["vdevs"])} <= STATES
        assert pool.get("redundancy_left", 0) >= 0


@each_of(STATUS)
def test_a_scan_line_becomes_a_scan(entry: dict[str, Any]) -> None:
    pools = parse("zpool-status", output(entry))["pools"]
    for label, pool in zip(entry.get("auto", []), pools):
        has_scan = bool(label.get("scan")) and not label["scan"].startswith("none requested")
        assert bool(pool["scan"] or pool["rebuilds"]) == has_scan


@each_of(OTHERS)
def test_other_outputs_name_what_they_list(entry: dict[str, Any]) -> None:
    (records,) = parse(entry["kind"].replace("_", "-"), output(entry)).values()
    assert records
    assert all(record["name"] for record in records)
