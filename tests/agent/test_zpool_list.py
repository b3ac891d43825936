"""What `zpool list` prints, with any columns that its users ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxmon.agent.zfs_json import ParseError
from proxmon.agent.zpool_list import parse_zpool_list, parse_zpool_list_json
from tests.agent.captures import at_any_speed, sample

HEADINGS = "NAME   SIZE  ALLOC   FREE  CKPOINT  EXPANDSZ   FRAG    CAP  DEDUP    HEALTH  ALTROOT\n"
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def the_pool(text: str) -> dict[str, Any]:
    (pool,) = parse_zpool_list(text)
    return pool


def test_the_agents_columns_are_read() -> None:
    assert the_pool("rpool\tDEGRADED\t81\t12\t1000\t810\t190\n") == {
        "name": "rpool",
        "health": "DEGRADED",
        "capacity_percent": 81,
        "fragmentation_percent": 12,
        "size_bytes": 1000,
        "alloc_bytes": 810,
        "free_bytes": 190,
    }


def test_the_columns_of_proxmox_ve_are_read() -> None:
    pool = the_pool("rpool\t1000\t810\t190\t12\t1.05\tONLINE\n")
    assert pool["fragmentation_percent"] == 12
    assert pool["dedup_ratio"] == 1.05
    assert pool["health"] == "ONLINE"


def test_the_default_columns_before_0_8_are_read() -> None:
    assert the_pool("rpool\t1000\t810\t190\t-\t12\t81\t1.00\tONLINE\t/mnt\n")["altroot"] == "/mnt"


def test_headings_tell_the_columns() -> None:
    text = "CAP  HEALTH  NAME\n" + HEADINGS + "my pool   960M   151M  809M  78K  -  5%  15%  1.00x  ONLINE  -\n"
    assert the_pool(text) == {
        "name": "my pool",
        "size_bytes": 960 << 20,
        "alloc_bytes": 151 << 20,
        "free_bytes": 809 << 20,
        "checkpoint_bytes": 78 << 10,
        "expand_bytes": None,
        "fragmentation_percent": 5,
        "capacity_percent": 15,
        "dedup_ratio": 1.0,
        "health": "ONLINE",
        "altroot": None,
    }


def test_headings_that_are_not_known_keep_their_name() -> None:
    assert the_pool("NAME  HEALTH  ASHIFT\nrpool  ONLINE  12\n") == {
        "name": "rpool",
        "health": "ONLINE",
        "ashift": "12",
    }


def test_a_faulted_pool_has_a_name_and_unknown_sizes() -> None:
    pool = the_pool("zion\t-\t-\t-\t-\t-\t-\t-\t-\tFAULTED\t-\n")
    assert (pool["name"], pool["health"], pool["size_bytes"], pool["capacity_percent"]) == (
        "zion",
        "FAULTED",
        None,
        None,
    )


def test_names_alone_are_pools() -> None:
    pools = parse_zpool_list(sample("zfs-2.1/69_before", "zpool_list_Ho_name.txt"))
    assert pools == [{"name": "healthy"}, {"name": "sus"}]


def test_a_name_may_hold_blanks() -> None:
    pools = parse_zpool_list(sample("zfs-2.3/40_odd_names_three_pools", "zpool_list_Hpo.txt"))
    assert [pool["name"] for pool in pools] == ["backup-usb.2:a", "local_zfs", "my pool"]


def test_the_vdevs_of_a_verbose_list_are_no_pools() -> None:
    text = HEADINGS + "rpool  9  1  8  -  -  9  30  1.00  ONLINE  -\n  mirror-0  9  1  8  -  -  9  30  -  ONLINE\n"
    assert [pool["name"] for pool in parse_zpool_list(text + "logs  -  -  -  -  -  -  -  -  -\n")] == ["rpool"]


def test_no_pools_are_an_empty_list_in_every_form() -> None:
    assert parse_zpool_list("") == parse_zpool_list("no pools available\n") == []
    assert parse_zpool_list_json("") == parse_zpool_list_json("\n") == parse_zpool_list_json('{"pools": {}}') == []


def test_json_values_may_be_abbreviated_text() -> None:
    properties = {"size": {"value": "111G"}, "capacity": {"value": "27%"}, "dedupratio": {"value": "1.00x"}}
    text = json.dumps({"pools": {"tank": {"name": "tank", "state": "ONLINE", "guid": "15", "properties": properties}}})
    assert parse_zpool_list_json(text) == [
        {
            "name": "tank",
            "health": "ONLINE",
            "guid": "15",
            "size_bytes": 111 << 30,
            "capacity_percent": 27,
            "dedup_ratio": 1.0,
        }
    ]


@pytest.mark.parametrize("text", ["{", "no pools available", "[1]"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_zpool_list_json(text)


@at_any_speed
@given(
    st.text()
    | st.lists(st.sampled_from(["NAME", "HEALTH", "ONLINE", "-", "1", "1.2K", "x", "\t", " ", "\n"])).map("".join)
)
def test_no_text_makes_it_raise(text: str) -> None:
    assert all("name" in pool for pool in parse_zpool_list(text) if "NAME" not in text)


@at_any_speed
@given(json_values)
def test_no_json_makes_it_raise(value: Any) -> None:
    keys = ("size", "capacity", "dedupratio", "health", "readonly", "guid")
    pool = {"name": value, "state": value, "pool_guid": value, "properties": {key: {"value": value} for key in keys}}
    (read,) = parse_zpool_list_json(json.dumps({"pools": {"tank": pool, "other": value if value != {} else 1}}))[:1]
    assert read["name"]
