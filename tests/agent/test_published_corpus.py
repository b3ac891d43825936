"""The published outputs: no crash, and the pools and states that their index names; without them nothing is checked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from captures import PUBLISHED, published, walk

from proxmon.agent.parse import parse

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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # An absent corpus gives no cases, where `parametrize` with an empty list would give a skipped one.
    entries = {"status_entry": STATUS, "other_entry": OTHERS}
    for argument, cases in entries.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, cases or [None], ids=[case["file"] for case in cases] or ["absent"])


def output(entry: dict[str, Any]) -> str:
    return (PUBLISHED / entry["file"]).read_text(errors="replace")


def test_a_status_names_the_pools_and_their_states(status_entry: dict[str, Any] | None) -> None:
    if status_entry is None:
        return
    pools = parse("zpool-status", output(status_entry))["pools"]
    labels = [(label["pool"], label["state"]) for label in status_entry.get("auto", [])]
    assert not labels or [(pool["name"], pool["health"]) for pool in pools] == labels
    json.dumps(pools)


def test_every_vdev_has_a_state_of_zfs(status_entry: dict[str, Any] | None) -> None:
    if status_entry is None:
        return
    for pool in parse("zpool-status", output(status_entry))["pools"]:
        assert {vdev["state"] for vdev in walk(pool["vdevs"])} <= STATES
        assert pool.get("redundancy_left", 0) >= 0


def test_a_scan_line_becomes_a_scan(status_entry: dict[str, Any] | None) -> None:
    if status_entry is None:
        return
    pools = parse("zpool-status", output(status_entry))["pools"]
    for label, pool in zip(status_entry.get("auto", []), pools):
        has_scan = bool(label.get("scan")) and not label["scan"].startswith("none requested")
        assert bool(pool["scan"] or pool["rebuilds"]) == has_scan


def test_other_outputs_name_what_they_list(other_entry: dict[str, Any] | None) -> None:
    if other_entry is None:
        return
    (records,) = parse(other_entry["kind"].replace("_", "-"), output(other_entry)).values()
    assert records
    assert all(record["name"] for record in records)
