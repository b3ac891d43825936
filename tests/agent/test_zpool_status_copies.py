"""Whole outputs as they were never captured here, composed by the format, and what copying does to an output."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxmon.agent.parse import main, parse
from tests.agent.captures import MOMENTS, sample, walk

TWO_POOLS = sample("composed", "two_pools.txt")
DRAID = sample("composed", "draid.txt")
FREEBSD_9 = sample("composed", "freebsd_9.txt")
ILLUMOS = sample("composed", "illumos.txt")


def pools_of(text: str) -> dict[str, dict[str, Any]]:
    return {pool["name"]: pool for pool in parse("zpool-status", text)["pools"]}


def tree(vdevs: list[dict[str, Any]]) -> list[Any]:
    return [[vdev["name"], *tree(vdev["children"])] if vdev["children"] else vdev["name"] for vdev in vdevs]


def test_spares_in_use_in_two_pools_and_whatever_stands_behind_a_row() -> None:
    pools = pools_of(TWO_POOLS)
    alpha, beta = pools["alpha"], pools["beta"]
    assert tree(alpha["vdevs"]) == [
        ["raidz2-0", "sda", ["spare-1", "1234567", "sdx"], "sdc", ["replacing-3", "old", "sde"]],
        ["mirror-2", "nvme0n1", "nvme1n1"],
        "sdl",
        "sdm",
        "sdx",
        "sdy",
        "sdz",
    ]
    assert [vdev["class"] for vdev in alpha["vdevs"]] == ["data", "special", "log", "cache"] + ["spare"] * 3
    assert [vdev["state"] for vdev in alpha["vdevs"]][-3:] == ["INUSE", "INUSE", "UNAVAIL"]
    assert (alpha["vdev_count"], alpha["degraded_vdev_count"]) == (14, 5)
    assert (alpha["error_count"], alpha["data_error_count"]) == (2 + 1536, 3)
    assert alpha["redundancy_left"] == 0, "neither the spare nor the new disk is filled yet"
    assert (alpha["scan"]["function"], alpha["scan"]["percent"]) == ("resilver", 15.2)
    assert (beta["vdev_count"], beta["data_error_count"], beta["redundancy_left"]) == (4, 12, 1)
    assert beta["last_scrub_end"] == "2026-11-09T02:27:05Z"


def test_a_draid_that_a_distributed_spare_helps_out() -> None:
    pool = pools_of(DRAID)["wide"]
    assert tree(pool["vdevs"])[0] == ["draid2:4d:7c:2s-0", "c0", ["spare-1", "c1", "draid2-0-0"], "c2", "c3", "c4",
                                      "c5", "c6"]  # fmt: skip
    assert pool["vdevs"][0]["kind"] == "draid2"
    assert (pool["redundancy_left"], pool["error_count"], pool["last_scrub_end"]) == (1, 12, "2026-11-01T03:10:00Z")
    assert [rebuild["percent"] for rebuild in pool["rebuilds"]] == [30.0]


def test_a_status_of_freebsd_9() -> None:
    pool = pools_of(FREEBSD_9)["zroot"]
    assert tree(pool["vdevs"]) == [["raidz1-0", "gpt/disk0", "gpt/disk1", "ada2p3"], "gpt/log0"]
    assert (pool["scan"]["state"], pool["scan"]["percent"], pool["redundancy_left"]) == ("scanning", 87.69, 1)


def test_a_status_of_illumos_before_vdevs_had_numbers() -> None:
    pool = pools_of(ILLUMOS)["rpool"]
    assert tree(pool["vdevs"]) == [["mirror", "c0t5000C500A1d0s0", "c0t5000C500A2d0s0"]]
    assert (pool["last_scrub_end"], pool["redundancy_left"]) == ("2010-01-02T03:42:00Z", 1)


COPIES: dict[str, Callable[[str], str]] = {
    "non-breaking blanks of a web page": lambda text: text.replace(" ", "\xa0"),
    "cited in a mail": lambda text: re.sub(r"^", "> ", text, flags=re.MULTILINE),
    "cited twice": lambda text: re.sub(r"^", ">> ", text, flags=re.MULTILINE),
    "a blank line after each": lambda text: text.replace("\n", "\n\n"),
    "no blank lines": lambda text: re.sub(r"\n\n+", "\n", text),
    "blanks at the ends": lambda text: re.sub(r"$", "   ", text, flags=re.MULTILINE),
    "one blank between the columns": lambda text: re.sub(r"(?<=\S) {2,}", " ", text),
    "tabs of eight": lambda text: text.expandtabs(8),
    "tabs gone": lambda text: text.replace("\t", ""),
    "tabs for blanks": lambda text: re.sub(r"^ +", lambda match: "\t" * len(match.group()), text, flags=re.MULTILINE),
    "line ends of two systems": lambda text: text.replace("\n", "\r\r\n"),
}
CAPTURED = {moment: sample(moment, "zpool_status.txt") for moment in MOMENTS}
TEXTS = {**CAPTURED, "two pools": TWO_POOLS, "draid": DRAID, "freebsd": FREEBSD_9, "illumos": ILLUMOS}


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("origin", TEXTS)
def test_a_copy_says_what_the_original_says(origin: str, copy: str) -> None:
    assert parse("zpool-status", COPIES[copy](TEXTS[origin])) == parse("zpool-status", TEXTS[origin])


@pytest.mark.parametrize("origin", TEXTS)
def test_a_text_that_ends_early_names_no_pool_and_no_vdev_that_is_not_there(origin: str) -> None:
    text = TEXTS[origin]
    whole = {pool["name"]: {vdev["name"] for vdev in walk(pool["vdevs"])} for pool in pools_of(text).values()}
    lines = text.split("\n")
    for end in range(len(lines)):
        for name, pool in pools_of("\n".join(lines[:end])).items():
            assert {vdev["name"] for vdev in walk(pool["vdevs"])} <= whole[name]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_windows_wrote_is_read(encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "status.txt"
    file.write_bytes(DRAID.encode(encoding))
    assert main(["zpool-status", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["pools"] == parse("zpool-status", DRAID)["pools"]
