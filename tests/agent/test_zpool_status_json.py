"""What only the JSON of `zpool status` has: other words, missing keys, two ways to nest."""

from __future__ import annotations

import json
from datetime import timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxmon.agent.zfs_json import ParseError
from proxmon.agent.zpool_status_json import parse_zpool_status_json
from tests.agent.captures import at_any_speed

COUNTERS = {"read_errors": 0, "write_errors": 0, "checksum_errors": 0}
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def a_disk(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "vdev_type": "disk", "class": "normal", "state": "ONLINE", **COUNTERS, **changes}


def a_group(name: str, *members: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": name, "state": "ONLINE", **COUNTERS, "vdevs": {each["name"]: each for each in members}, **changes}


def a_document(*tops: dict[str, Any], **changes: Any) -> str:
    root = {"name": "tank", "vdev_type": "root", "state": "ONLINE", "vdevs": {top["name"]: top for top in tops}}
    pool = {"name": "tank", "state": "ONLINE", "vdevs": {"tank": root}, "error_count": 0, **changes}
    return json.dumps({"pools": {"tank": pool}})


def the_pool(text: str) -> dict[str, Any]:
    (pool,) = parse_zpool_status_json(text)
    return pool


def a_scan(**changes: Any) -> dict[str, Any]:
    scan = {"function": "SCRUB", "state": "FINISHED", "start_time": 1795382715, "end_time": 1795382722, "errors": 0}
    return {**scan, "to_examine": 200, "skipped": 0, "issued": 50, "scrub_pause": 0, **changes}


@pytest.mark.parametrize(
    ("state", "aux", "word"),
    [
        ("HEALTHY", None, "ONLINE"),
        ("CLOSED", None, "OFFLINE"),
        ("CANT_OPEN", "OPEN_FAILED", "UNAVAIL"),
        ("CANT_OPEN", "CORRUPT_DATA", "FAULTED"),
        ("CANT_OPEN", "SPLIT_POOL", "SPLIT"),
        ("FAULTED", "ERR_EXCEEDED", "FAULTED"),
        ("SOMETHING_NEW", None, "SOMETHING_NEW"),
    ],
)
def test_states_are_in_the_words_of_the_text(state: str, aux: str | None, word: str) -> None:
    (disk,) = the_pool(a_document(a_disk("sda", state=state, aux=aux)))["vdevs"]
    assert disk["state"] == word


@pytest.mark.parametrize(
    ("states", "word"),
    [
        (("ONLINE", "ONLINE", "ONLINE"), "ONLINE"),
        (("ONLINE", "FAULTED", "ONLINE"), "DEGRADED"),
        (("ONLINE", "DEGRADED", "ONLINE"), "DEGRADED"),
        (("CANT_OPEN", "CANT_OPEN", "ONLINE"), "UNAVAIL"),
    ],
)
def test_the_state_that_is_missing_for_draid_follows_from_its_disks(states: tuple[str, ...], word: str) -> None:
    disks = [a_disk(f"sd{number}", state=state) for number, state in enumerate(states)]
    group = a_group("draid1:2d:3c:0s-0", *disks)
    del group["state"]
    (draid,) = the_pool(a_document(group))["vdevs"]
    assert (draid["kind"], draid["state"]) == ("draid1", word)


def test_a_missing_disk_tells_where_it_was() -> None:
    disk = a_disk("1234567890", state="CANT_OPEN", not_present=1, was="/dev/sdb1")
    (mirror,) = the_pool(a_document(a_group("mirror-0", disk, a_disk("sda"))))["vdevs"]
    assert [mirror["children"][0][key] for key in ("name", "state", "was")] == ["1234567890", "UNAVAIL", "/dev/sdb1"]


def test_kinds_follow_from_types_where_names_are_guids() -> None:
    group = a_group("123", a_disk("456", vdev_type="file"), a_disk("789"), vdev_type="mirror")
    (mirror,) = the_pool(a_document(group))["vdevs"]
    assert [mirror["kind"], *(disk["kind"] for disk in mirror["children"])] == ["mirror", "file", "disk"]


def test_counters_may_be_abbreviated_text() -> None:
    assert the_pool(a_document(a_disk("sda", checksum_errors="1.32K", read_errors="2")))["error_count"] == 1354


@pytest.mark.parametrize(
    ("changes", "state", "percent"),
    [
        ({"state": "SCANNING", "end_time": 0}, "scanning", 25.0),
        ({"state": "SCANNING", "end_time": "-", "scrub_pause": "-"}, "scanning", 25.0),
        ({"state": "SCANNING", "skipped": 100}, "scanning", 50.0),
        ({"state": "SCANNING", "to_examine": 0}, "scanning", None),
        ({"state": "SCANNING", "scrub_pause": 1795382720}, "paused", 25.0),
        ({"state": "SCANNING", "scrub_pause": "Sun Nov 22 21:24:08 CET 2026"}, "paused", 25.0),
        ({"state": "CANCELED"}, "canceled", None),
    ],
)
def test_a_scrub_that_is_not_finished_is_no_last_scrub(changes: dict[str, Any], state: str, percent: float) -> None:
    pool = the_pool(a_document(a_disk("sda"), scan_stats=a_scan(**changes)))
    assert (pool["scan"]["state"], pool["scan"]["percent"]) == (state, percent)
    assert pool["last_scrub_end"] is None


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (1795382722, "2026-11-22T21:25:22Z"),
        ("1795382722", "2026-11-22T21:25:22Z"),
        ("Sun Nov 22 21:25:22 UTC 2026", "2026-11-22T21:25:22Z"),
        ("Sun Nov 22 22:25:22 CET 2026", "2026-11-22T21:25:22Z"),
        ("Sun Nov 22 18:25:22 -03 2026", "2026-11-22T21:25:22Z"),
        ("Sun Nov 22 21:25:22 IST 2026", "Sun Nov 22 21:25:22 2026"),
        ("-", None),
        (10**30, None),
    ],
)
def test_the_end_of_a_scrub_comes_as_number_or_text(end: Any, text: str | None) -> None:
    assert the_pool(a_document(a_disk("sda"), scan_stats=a_scan(end_time=end)))["last_scrub_end"] == text


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 600),
        ({"start_time": "Sun Nov 22 21:15:22 2026", "end_time": "Sun Nov 22 21:25:22 2026"}, 600),
        ({"start_time": 0}, None),
        ({"start_time": "-"}, None),
        ({"end_time": 1_795_000_000}, None),
        ({"state": "CANCELED"}, None),
        ({"state": "SCANNING"}, None),
    ],
)
def test_a_finished_scrub_took_from_its_start_to_its_end(changes: dict[str, Any], seconds: int | None) -> None:
    scan = a_scan(**({"start_time": 1_795_382_122, "end_time": 1_795_382_722} | changes))
    assert the_pool(a_document(a_disk("sda"), scan_stats=scan))["scan"]["duration_seconds"] == seconds


def test_a_text_date_of_the_hosts_zone_becomes_utc_when_the_zone_is_known() -> None:
    document = a_document(a_disk("sda"), scan_stats=a_scan(end_time="Sun Nov 22 21:25:22 IST 2026"))
    (pool,) = parse_zpool_status_json(document, timezone.utc)
    assert pool["last_scrub_end"] == "2026-11-22T21:25:22Z"


@pytest.mark.parametrize(
    ("resilver_end", "rebuild", "shows"),
    [
        (100, {"state": "COMPLETE", "end_time": 200}, "rebuild"),
        (300, {"state": "COMPLETE", "end_time": 200}, "resilver"),
        (300, {"state": "ACTIVE", "end_time": 0}, "rebuild"),
    ],
)
def test_of_resilver_and_rebuild_the_later_is_shown(resilver_end: int, rebuild: dict[str, Any], shows: str) -> None:
    stats = a_scan(function="RESILVER", end_time=resilver_end, rebuild_stats={"mirror-0": rebuild})
    pool = the_pool(a_document(a_disk("sda"), scan_stats=stats))
    assert (bool(pool["scan"]), bool(pool["rebuilds"])) == (shows == "resilver", shows == "rebuild")


def test_the_disk_that_is_resilvered_is_no_redundancy_yet() -> None:
    mirror = a_group("mirror-0", a_disk("sda"), a_disk("sdb", scan_processed="8M"))
    running = a_scan(function="RESILVER", state="SCANNING")
    assert the_pool(a_document(mirror))["redundancy_left"] == 1
    assert the_pool(a_document(mirror, scan_stats=running))["redundancy_left"] == 0


def test_other_classes_stand_beside_the_data() -> None:
    document = a_document(
        a_disk("sda"),
        logs={"sdb": a_disk("sdb")},
        l2cache={"sdc": a_disk("sdc")},
        special={"sdd": a_disk("sdd")},
        dedup={"sde": a_disk("sde")},
        spares={"sdf": {"name": "sdf", "state": "AVAIL"}},
        dedup_stats={"sdx": {"name": "sdx"}},
    )
    pool = the_pool(document)
    assert [vdev["class"] for vdev in pool["vdevs"]] == ["data", "dedup", "special", "log", "cache", "spare"]
    assert pool["vdev_count"] == 5


def test_pools_may_be_keyed_by_guid() -> None:
    document = a_document(a_disk("sda")).replace('{"pools": {"tank"', '{"pools": {"123456"')
    assert [the_pool(document)["name"], the_pool(document)["vdev_count"]] == ["tank", 1]


def test_no_pools_is_an_empty_list() -> None:
    assert parse_zpool_status_json('{"output_version": {}, "pools": {}}') == []


@pytest.mark.parametrize("text", ["", "no pools available", '{"pools": {', "[]", "null", "[" * 100_000, "NaN"])
def test_what_is_no_json_object_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ParseError, match=r"^This is not .*JSON.*\.$"):
        parse_zpool_status_json(text)


@at_any_speed
@given(json_values)
def test_no_json_makes_it_raise(value: Any) -> None:
    pool = {
        "vdevs": {"tank": {"vdevs": value}},
        "logs": value,
        "scan_stats": value,
        "state": value,
        "error_count": value,
    }
    disk = dict.fromkeys((*COUNTERS, "state", "aux", "was", "class", "vdev_type", "scan_processed", "name"), value)
    stats = dict.fromkeys(("end_time", "issued", "to_examine", "skipped", "scrub_pause", "errors"), value)
    scan = {**stats, "function": "SCRUB", "state": "SCANNING", "rebuild_stats": {"m": {**stats, "state": "ACTIVE"}}}
    pools = {"tank": pool, "two": {"vdevs": {"a": disk}, "scan_stats": scan}, "three": value}
    json.dumps(parse_zpool_status_json(json.dumps({"pools": pools})))
