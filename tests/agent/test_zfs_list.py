"""What `zfs list` prints for datasets and snapshots, with any columns that its users ask for."""

from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxmon.agent.zfs_json import ParseError
from proxmon.agent.zfs_list import (
    parse_snapshots,
    parse_snapshots_json,
    parse_zfs_list,
    parse_zfs_list_json,
    read_snapshots,
)
from tests.agent.captures import at_any_speed, sample

UTC = timezone.utc
words = st.sampled_from(["NAME", "USED", "CREATION", "a@b", "a", "-", "1", "1.2K", "1795382714", "\t", " ", "\n"])


def test_the_agents_columns_are_read() -> None:
    text = "rpool/data\tfilesystem\t10\t20\t5\t3\t/rpool/my data\nrpool/vm-1\tvolume\t7\t20\t7\t0\t-\n"
    assert parse_zfs_list(text) == [
        {
            "name": "rpool/data",
            "type": "filesystem",
            "used_bytes": 10,
            "avail_bytes": 20,
            "referenced_bytes": 5,
            "used_by_snapshots_bytes": 3,
            "mountpoint": "/rpool/my data",
        },
        {
            "name": "rpool/vm-1",
            "type": "volume",
            "used_bytes": 7,
            "avail_bytes": 20,
            "referenced_bytes": 7,
            "used_by_snapshots_bytes": 0,
            "mountpoint": None,
        },
    ]


def test_the_table_for_people_is_read() -> None:
    rows = parse_zfs_list(sample("zfs-2.3/02b", "zfs_list_all.txt"))
    assert rows[0] == {
        "name": "rpool",
        "used_bytes": 151 << 20,
        "avail_bytes": 681 << 20,
        "referenced_bytes": 104 << 10,
        "mountpoint": "/rpool",
    }
    assert (rows[3]["name"], rows[3]["type"], rows[3]["avail_bytes"]) == (
        "rpool/ROOT/pve-1@pre-upgrade",
        "snapshot",
        None,
    )


def test_the_space_columns_are_read() -> None:
    (row,) = parse_zfs_list("rpool\t20\t10\t3\t5\t1\t2\n")
    assert (row["avail_bytes"], row["used_bytes"], row["used_by_snapshots_bytes"]) == (20, 10, 3)
    headings = "NAME  AVAIL  USED  USEDSNAP  USEDDS  USEDREFRESERV  USEDCHILD\n"
    (named,) = parse_zfs_list(headings + "rpool  20  10  3  5  1  2\n")
    assert named == row


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("a/b@c d\t1795382714\t0\t98304\n", {"creation_unix": 1795382714, "used_bytes": 0, "referenced_bytes": 98304}),
        ("a/b@c d\t1795382714\n", {"creation_unix": 1795382714}),
        ("a/b@c d\t4711\n", {"createtxg": 4711}),
        (
            "a/b@c d\t0B\t96K\tSun Nov 22 21:25 2026\n",
            {"used_bytes": 0, "referenced_bytes": 98304, "creation_unix": 1795382700},
        ),
        (
            "a/b@c d\tSun Nov 22 21:25 2026\t0B\t96K\n",
            {"creation_unix": 1795382700, "used_bytes": 0, "referenced_bytes": 98304},
        ),
        ("a/b@c d\t0\t-\t98304\t-\n", {"used_bytes": 0, "referenced_bytes": 98304}),
        (
            "NAME  CREATION  USED\na/b@c d  Sun Nov 22 21:25 2026  1K\n",
            {"creation_unix": 1795382700, "used_bytes": 1024},
        ),
        (
            "NAME  USED  AVAIL  REFER  MOUNTPOINT\na/b@c d  0B  -  96K  -\n",
            {"used_bytes": 0, "referenced_bytes": 98304},
        ),
    ],
)
def test_a_snapshot_is_read_from_any_columns(text: str, row: dict[str, Any]) -> None:
    assert parse_snapshots(text, UTC) == [{"name": "a/b@c d", "dataset": "a/b", "snapshot": "c d", **row}]


def test_a_date_in_words_needs_the_hosts_zone() -> None:
    text = "a@b\tSun Nov 22 21:25 2026\n"
    assert parse_snapshots(text)[0]["creation"] == "Sun Nov 22 21:25 2026"
    assert parse_snapshots(text, timezone(timedelta(hours=1)))[0]["creation_unix"] == 1795382700 - 3600


def test_what_is_no_snapshot_is_no_row() -> None:
    assert parse_snapshots("no datasets available\nrpool\t1795382714\n\n") == []
    assert parse_zfs_list("no datasets available\n") == []


def test_snapshots_stream_without_being_held() -> None:
    lines = (f"rpool/data@auto-{number}\t{1_700_000_000 + number}\n" for number in range(5_000))
    tracemalloc.start()
    newest = max(row["creation_unix"] for row in read_snapshots(lines))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert newest == 1_700_004_999
    assert peak_bytes < 500_000  # 5,000 records held at once take five times as much


def test_json_of_all_types_is_split_into_datasets_and_snapshots() -> None:
    records = {
        "rpool": {"name": "rpool", "type": "FILESYSTEM", "createtxg": 1, "properties": {"used": {"value": "290K"}}},
        "rpool@a": {
            "name": "rpool@a",
            "type": "SNAPSHOT",
            "createtxg": "29",
            "properties": {"used": {"value": 0}, "available": {"value": "-"}, "creation": {"value": 1795382714}},
        },
    }
    text = json.dumps({"datasets": records})
    assert parse_zfs_list_json(text)[0] == {
        "name": "rpool",
        "type": "filesystem",
        "createtxg": 1,
        "used_bytes": 290 << 10,
    }
    assert parse_snapshots_json(text) == [
        {
            "name": "rpool@a",
            "dataset": "rpool",
            "snapshot": "a",
            "createtxg": 29,
            "used_bytes": 0,
            "creation_unix": 1795382714,
        }
    ]


@pytest.mark.parametrize("text", ["", "no datasets available", "[]"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_zfs_list_json(text)
    with pytest.raises(ParseError):
        parse_snapshots_json(text)


@at_any_speed
@given(st.text() | st.lists(words).map("".join))
def test_no_text_makes_it_raise(text: str) -> None:
    json.dumps([parse_zfs_list(text, UTC), parse_snapshots(text, UTC)])


@at_any_speed
@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.floats() | st.text()))
def test_no_json_makes_it_raise(values: dict[str, Any]) -> None:
    for value in [*values.values(), values]:
        keys = ("used", "available", "mountpoint", "creation", "createtxg")
        record = {
            "name": value,
            "type": value,
            "createtxg": value,
            "properties": {key: {"value": value} for key in keys},
        }
        text = json.dumps({"datasets": {"a": record, "a@b": record, "c": value}})
        json.dumps([parse_zfs_list_json(text, UTC), parse_snapshots_json(text, UTC)])
