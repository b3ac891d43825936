"""What `zpool status` says in words, wording by wording, and that no text makes the parser raise."""

from __future__ import annotations

import json
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxmon.agent.units import LocalZone
from proxmon.agent.zpool_status import parse_zpool_status
from tests.agent.captures import MOMENTS, at_any_speed, sample, walk

UTC = timezone.utc
HEAD = "\tNAME        STATE     READ WRITE CKSUM\n"


def a_status(*lines: str, rows: str = "", after: str = "errors: No known data errors\n") -> str:
    """One pool named tank with the given lines above `config:` and rows below the pool's own."""
    above = "".join(f"{line}\n" for line in lines)
    config = f"config:\n\n{HEAD}\ttank        ONLINE       0     0     0\n{rows}\n"
    return f"  pool: tank\n state: ONLINE\n{above}{config}{after}"


def the_pool(text: str, tz: timezone | LocalZone | None = UTC) -> dict[str, Any]:
    (pool,) = parse_zpool_status(text, tz)
    return pool


def scan_of(line: str) -> dict[str, Any] | None:
    return the_pool(a_status(line))["scan"]


@pytest.mark.parametrize(
    ("line", "function", "errors", "end_at"),
    [
        ("  scan: scrub repaired 0B in 00:00:20 with 0 errors on Sun Nov 22 21:22:29 2026", "scrub", 0, "2026-11-22"),
        (
            "  scan: scrub repaired 0B in 1 days 00:00:20 with 3 errors on Sun Nov  1 21:22:29 2026",
            "scrub",
            3,
            "2026-11-01",
        ),
        ("  scan: scrub repaired 0 in 0h13m with 0 errors on Sun Feb  4 20:54:25 2024", "scrub", 0, "2024-02-04"),
        (
            "  scan: thorough scrub repaired 5M in 00:01:00 with 2 errors on Sun Feb  4 20:54:25 2024",
            "scrub",
            2,
            "2024-02-04",
        ),
        ("  scan: resilvered 50.5M in 00:00:14 with 0 errors on Sun Nov 22 21:27:04 2026", "resilver", 0, "2026-11-22"),
        ("  scan: resilvered 1.2T in 36h10m with 7 errors on Tue Dec 29 09:00:00 2015", "resilver", 7, "2015-12-29"),
        (" scrub: scrub completed after 0h7m with 0 errors on Tue Feb  1 13:00:00 2011", "scrub", 0, "2011-02-01"),
        (
            " scrub: resilver completed after 0h0m with 1 errors on Tue Feb  1 13:00:00 2011",
            "resilver",
            1,
            "2011-02-01",
        ),
    ],
)
def test_a_finished_scan_has_errors_and_an_end(line: str, function: str, errors: int, end_at: str) -> None:
    scan = scan_of(line)
    assert scan is not None
    assert (scan["function"], scan["state"], scan["errors"]) == (function, "finished", errors)
    assert scan["end_at"].startswith(end_at)
    assert (scan["percent"], scan["start_at"]) == (None, None)


@pytest.mark.parametrize(
    ("lines", "function", "state", "percent"),
    [
        (
            "  scan: scrub in progress since Sun Nov 22 21:23:20 2026\n"
            "\t151M scanned at 5M/s, 240K issued at 9K/s, 152M "
            "total\n\t0B repaired, 0.15% done, no estimated completion time",
            "scrub",
            "scanning",
            0.15,
        ),
        (
            "  scan: scrub in progress since Sun Nov 22 21:23:20 2026\n"
            "\t1.03T / 2T scanned at 1G/s, 1T / 2T issued\n\t0B "
            "repaired, 50.00% done, 01:00:00 to go",
            "scrub",
            "scanning",
            50.0,
        ),
        (
            "  scan: scrub in progress since Mon Jul 17 10:25:48 2017\n"
            "    9,12T scanned out of 9,48T at 1,90M/s, 55h33m to "
            "go\n    0 repaired, 96,19% done",
            "scrub",
            "scanning",
            96.19,
        ),
        (
            "  scan: thorough scrub in progress since Sun Nov 22 21:23:20 2026\n\t0B repaired, 1.00% done",
            "scrub",
            "scanning",
            1.0,
        ),
        (
            "  scan: resilver in progress since Sun Nov 22 21:28:17 2026\n"
            "\t12M resilvered, 6.61% done, 1 days 00:00:01 to "
            "go",
            "resilver",
            "scanning",
            6.61,
        ),
        (" scrub: resilver in progress, 0.14% done, 0h0m to go", "resilver", "scanning", 0.14),
        (" scrub: scrub in progress for 0h5m, 12.50% done, 0h30m to go", "scrub", "scanning", 12.5),
        (
            "  scan: scrub paused since Sun Nov 22 21:24:08 2026\n\tscrub started on Sun Nov 22 21:23:20 2026\n\t151M "
            "scanned, 288K issued, 152M total\n\t0B repaired, 0.19% done",
            "scrub",
            "paused",
            0.19,
        ),
        (
            "  scan: scrub in progress since Sun Nov 22 21:23:20 2026\n\t0B repaired, -nan% done",
            "scrub",
            "scanning",
            None,
        ),
    ],
)
def test_a_running_scan_has_a_percentage(lines: str, function: str, state: str, percent: float | None) -> None:
    scan = scan_of(lines)
    assert scan is not None
    assert (scan["function"], scan["state"], scan["percent"]) == (function, state, percent)
    assert (scan["errors"], scan["end_at"]) == (None, None)
    assert the_pool(a_status(lines))["last_scrub_end"] is None


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("repaired 0B in 00:00:20", 20),
        ("repaired 0B in 26:03:04", 93_784),
        ("repaired 0B in 0 days 04:49:39", 17_379),
        ("repaired 0B in 1 days 00:00:20", 86_420),
        ("repaired 0B in 1 day 12:34:56", 131_696),
        ("repaired 0 in 0h13m", 780),
        ("repaired 0 in 126h3m", 453_780),
        ("completed after 0h7m", 420),
        ("repaired 0B in a while", None),
        ("repaired 0B in 00:00:20:30", None),
    ],
)
def test_a_finished_scrub_took_as_long_as_it_says(words: str, seconds: int | None) -> None:
    scan = scan_of(f"  scan: scrub {words} with 0 errors on Sun Nov 22 21:22:29 2026")
    assert scan is not None
    assert scan["duration_seconds"] == seconds


@pytest.mark.parametrize(
    "line", ["scrub canceled on", "scrub stopped after 0h5m with 0 errors on", "scrub paused since"]
)
def test_a_scrub_that_did_not_finish_took_no_time_that_counts(line: str) -> None:
    scan = scan_of(f"  scan: {line} Sun Nov 22 21:26:13 2026")
    assert scan is not None
    assert scan["duration_seconds"] is None


def test_a_paused_scrub_started_before_it_was_paused() -> None:
    pool = the_pool(sample("zfs-2.1/05_scrub_paused", "zpool_status.txt"))
    assert pool["scan"]["start_at"] == "2026-11-22T21:23:20Z"


@pytest.mark.parametrize(
    ("line", "function"),
    [
        ("  scan: scrub canceled on Sun Nov 22 21:26:13 2026", "scrub"),
        ("  scan: thorough scrub canceled on Sun Nov 22 21:26:13 2026", "scrub"),
        ("  scan: resilver canceled on Sun Nov 22 21:26:13 2026", "resilver"),
        (" scrub: scrub stopped after 0h0m with 0 errors on Sun Nov 22 21:26:13 2026", "scrub"),
    ],
)
def test_a_canceled_scan_is_no_finished_scrub(line: str, function: str) -> None:
    pool = the_pool(a_status(line))
    assert (pool["scan"]["function"], pool["scan"]["state"]) == (function, "canceled")
    assert pool["scan"]["end_at"] == "2026-11-22T21:26:13Z"
    assert pool["last_scrub_end"] is None


@pytest.mark.parametrize(
    "line",
    [
        "  scan: none requested",
        " scrub: none requested",
        " scrub: error scrub in progress since Sun Nov 22 21:26:13 2026\n\t50.00% done, issued I/O for 3 error blocks",
        " scrub: scrubbed 3 error blocks in 0 days 00:00:01 on Sun Nov 22 21:26:13 2026",
        "  scan: something of the year 2030",
    ],
)
def test_what_is_no_scan_is_none(line: str) -> None:
    assert scan_of(line) is None


@pytest.mark.parametrize(
    ("line", "state", "end_at"),
    [
        ("  scan: resilvered (mirror-0) 202M in 00:00:23 with 0 errors on Sun Nov 22 21:33:04 2026", "finished", True),
        ("  scan: resilver (draid2:4d:12c:1s-0) canceled on Sun Nov 22 21:33:04 2026", "canceled", True),
        (
            "  scan: resilver (mirror-0) in progress since Sun Nov 22 21:32:33 2026\n\t1M resilvered, 1.50% done",
            "scanning",
            False,
        ),
    ],
)
def test_a_rebuild_is_listed_beside_the_scan(line: str, state: str, end_at: bool) -> None:
    scrub = "  scan: scrub repaired 0B in 00:00:20 with 0 errors on Sun Nov 22 22:00:00 2026"
    pool = the_pool(a_status(scrub, line))
    (rebuild,) = pool["rebuilds"]
    assert rebuild["vdev"] == line.partition("(")[2].partition(")")[0]
    assert (rebuild["state"], rebuild["end_at"] is not None) == (state, end_at)
    assert pool["last_scrub_end"] == "2026-11-22T22:00:00Z"


def test_a_date_stays_as_printed_unless_the_zone_is_known() -> None:
    text = a_status("  scan: scrub repaired 0B in 00:00:20 with 0 errors on Sun Nov  1 21:22:29 2026")
    assert the_pool(text, None)["last_scrub_end"] == "Sun Nov  1 21:22:29 2026"
    assert the_pool(text, timezone(timedelta(hours=2)))["last_scrub_end"] == "2026-11-01T19:22:29Z"
    assert the_pool(text, LocalZone())["last_scrub_end"].endswith("Z")


@pytest.mark.parametrize(
    ("word", "end_at"),
    [
        ("UTC", "2026-11-22T21:30:49Z"),
        ("CET", "2026-11-22T20:30:49Z"),
        ("EST", "2026-11-23T02:30:49Z"),
        ("ACDT", "2026-11-22T11:00:49Z"),
        ("+0530", "2026-11-22T16:00:49Z"),
        ("-03", "2026-11-23T00:30:49Z"),
        ("CST", "Sun Nov 22 21:30:49 2026"),
        ("+9999", "Sun Nov 22 21:30:49 2026"),
    ],
)
def test_a_zone_that_the_date_names_counts_when_it_is_sure(word: str, end_at: str) -> None:
    line = f"  scan: scrub repaired 0B in 00:00:20 with 0 errors on Sun Nov 22 21:30:49 {word} 2026"
    assert the_pool(a_status(line), None)["last_scrub_end"] == end_at
    sure = the_pool(a_status(line), timezone(timedelta(hours=5)))["last_scrub_end"]
    assert sure == (end_at if end_at.endswith("Z") else "2026-11-22T16:30:49Z")


@pytest.mark.parametrize(
    ("after", "count"),
    [
        ("errors: No known data errors\n", 0),
        ("errors: 1 data errors, use '-v' for a list\n", 1),
        ("errors: 132 data errors, use '-v' for a list\n", 132),
        ("errors: List of errors unavailable: pool I/O is currently suspended\n", None),
        ("errors: List of errors unavailable: permission denied\n\nerrors: 1 data errors, use '-v' for a list\n", 1),
        (
            "errors: Permanent errors have been detected in the following files:\n\n        /tank/a file\n"
            "        tank:<0x2da026>\n        <metadata>:<0x0>\n        pool:<0x1>\n        errors:/scan: x\n",
            5,
        ),
        (
            "errors: Permanent errors have been detected in the following files:\n\n        /tank/a\n\n dedup: no DDT "
            "entries\n",
            1,
        ),
        (
            "errors: The following persistent errors have been detected:\n\n"
            "          DATASET  OBJECT  RANGE\n          5  "
            "     0       lvl=4294967295 blkid=0\n",
            1,
        ),
        ("", None),
    ],
)
def test_data_errors_are_counted(after: str, count: int | None) -> None:
    (pool,) = parse_zpool_status(a_status(after=after))
    assert pool.get("data_error_count") == count


def test_remarks_are_no_part_of_a_name() -> None:
    rows = (
        "\t  mirror-0  DEGRADED     0     0     0\n"
        "\t    a disk  UNAVAIL      0     0     0  was /dev/disk/by-id/a disk-part1\n"
        "\t    sdb     ONLINE       1     2     3  block size: 512B configured, 4096B native  (trimming)\n"
        "\tspares\n"
        "\t  sdc       INUSE     currently in use\n"
        "\t  sdd       UNAVAIL   cannot open\n"
    )
    (mirror, first_spare, second_spare) = the_pool(a_status(rows=rows))["vdevs"]
    missing, healthy = mirror["children"]
    assert (missing["name"], missing["state"]) == ("a disk", "UNAVAIL")
    assert missing["was"] == "/dev/disk/by-id/a disk-part1"
    assert (healthy["read_errors"], healthy["write_errors"], healthy["checksum_errors"]) == (1, 2, 3)
    assert [first_spare["state"], second_spare["state"]] == ["INUSE", "UNAVAIL"]
    assert first_spare["read_errors"] is None


def test_abbreviated_counters_are_read_as_what_they_stand_for() -> None:
    pool = the_pool(a_status(rows="\t  sda  ONLINE       2  1.5K  1.32M\n"))
    assert pool["error_count"] == 2 + 1536 + 1384120


def test_a_files_name_is_its_path() -> None:
    rows = "\t  /srv/a.img  ONLINE  0 0 0\n\t  /dev/sda1  ONLINE  0 0 0\n\t  sdb  ONLINE  0 0 0\n"
    assert [vdev["kind"] for vdev in the_pool(a_status(rows=rows))["vdevs"]] == ["file", "disk", "disk"]


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ("  sda  ONLINE\n", 0),
        ("  sda  FAULTED\n", 0),
        ("  mirror-0 ONLINE\n    sda ONLINE\n    sdb ONLINE\n    sdc ONLINE\n", 2),
        ("  mirror-0 DEGRADED\n    sda DEGRADED\n    sdb ONLINE\n", 0),
        ("  raidz3-0 DEGRADED\n    sda ONLINE\n    sdb OFFLINE\n    sdc ONLINE\n    sdd ONLINE\n    sde ONLINE\n", 2),
        ("  raidz1-0 UNAVAIL\n    sda UNAVAIL\n    sdb UNAVAIL\n    sdc ONLINE\n", 0),
        (
            "  raidz2-0 DEGRADED\n    sda ONLINE\n    spare-1 DEGRADED\n      sdb FAULTED\n"
            "      sdx ONLINE\n    sdc ONLINE\n",
            2,
        ),
        (
            "  raidz2-0 DEGRADED\n    sda ONLINE\n    spare-1 DEGRADED\n      sdb FAULTED\n      sdx ONLINE 0 0 0  "
            "(resilvering)\n    sdc ONLINE\n",
            1,
        ),
        ("  mirror-0 ONLINE\n    sda ONLINE\n    sdb ONLINE 0 0 0  (awaiting resilver)\n", 0),
        ("  mirror-0 ONLINE\n    sda ONLINE\n    sdb ONLINE 0 0 0  (repairing)\n", 1),
        (
            "  mirror-0 ONLINE\n    sda ONLINE\n    replacing-1 ONLINE\n      sdb ONLINE\n      sdc ONLINE 0 0 0  "
            "(resilvering)\n",
            1,
        ),
        ("  draid2:4d:8c:1s-0 DEGRADED\n    sda ONLINE\n    sdb REMOVED\n    sdc ONLINE\n", 1),
        ("  mirror-0 ONLINE\n    sda ONLINE\n    sdb ONLINE\nspecial\n  sdc ONLINE\n", 0),
        ("  mirror-0 ONLINE\n    sda ONLINE\n    sdb ONLINE\nlogs\n  sdc FAULTED\ncache\n  sdd UNAVAIL\n", 1),
        ("  mirror-0 ONLINE\n", None),
        ("  123 ONLINE\n    456 ONLINE\n    789 ONLINE\n", None),
    ],
)
def test_redundancy_is_that_of_the_worst_vdev(rows: str, left: int | None) -> None:
    assert (
        the_pool(a_status(rows="".join(f"\t{row}\n" for row in rows.split("\n") if row))).get("redundancy_left") == left
    )


def test_a_disk_that_a_rebuild_fills_is_no_redundancy_yet() -> None:
    rows = "\t  mirror-0 ONLINE\n\t    sda ONLINE\n\t    sdb ONLINE\n"
    rebuild = "  scan: resilver (mirror-0) in progress since Sun Nov 22 21:32:33 2026"
    assert the_pool(a_status(rows=rows))["redundancy_left"] == 1
    assert the_pool(a_status(rebuild, rows=rows))["redundancy_left"] == 0


def test_health_is_the_state_line_and_not_the_row_of_the_pool() -> None:
    pools = parse_zpool_status(sample("zfs-2.1/72_after_stuck_ops_wait", "zpool_status_v.txt"))
    assert [(pool["name"], pool["health"]) for pool in pools] == [("healthy", "ONLINE"), ("sus", "SUSPENDED")]
    assert "data_error_count" not in pools[1]


def test_a_suspended_pool_may_have_no_rows() -> None:
    text = (
        "  pool: sus\n state: SUSPENDED\nstatus: Some are faulted.\nconfig: The configuration cannot be determined.\n"
    )
    assert parse_zpool_status(text) == [
        {"name": "sus", "health": "SUSPENDED", "last_scrub_end": None, "scan": None, "rebuilds": [], "vdevs": []}
    ]


def test_paragraphs_between_scan_and_config_are_no_rows() -> None:
    lines = (
        "status: state: x",
        "remove: Removal of vdev 1 copied 64.5K in 0h0m, completed on Sun Nov 22 21:26:13 2026",
        "\t120 memory used for removed device mappings",
        "checkpoint: created Sun Nov 22 21:53:16 2026, consumes 78K",
        "expand: expansion of raidz1-0 in progress since Sun Nov 22 22:11:27 2026",
        "\t4.67M / 90.3M copied at 597K/s, 5.16% done, 00:02:26 to go",
    )
    pool = the_pool(a_status(*lines, rows="\t  sda  ONLINE  0 0 0\n"))
    assert (pool["health"], pool["scan"], pool["vdev_count"]) == ("ONLINE", None, 1)


def test_a_dedup_table_is_neither_vdev_nor_pool() -> None:
    table = (
        "errors: No known data errors\n\n dedup: DDT entries 3, size 1K on disk, 2K in core\n\nbucket      allocated\n"
        "______   ____________\nrefcnt   blocks   LSIZE   PSIZE   DSIZE\n     1        3    384K    384K    384K\n"
    )
    pool = the_pool(a_status(rows="\t  sda  ONLINE  0 0 0\n", after=table))
    assert (pool["vdev_count"], pool["data_error_count"]) == (1, 0)


def test_a_pool_that_is_printed_each_second_is_one_pool() -> None:
    first = a_status(rows="\t  sda  ONLINE  0 0 0\n")
    second = first.replace("state: ONLINE", "state: DEGRADED")
    again = f"Sun Nov 22 21:25:49 UTC 2026\n{first}\nSun Nov 22 21:25:50 UTC 2026\n{second}"
    assert [pool["health"] for pool in parse_zpool_status(again)] == ["DEGRADED"]


def test_colours_are_no_part_of_the_text() -> None:
    text = a_status(rows="\t  sda  \x1b[0;31mFAULTED     \x1b[0m \x1b[0;31m    6\x1b[0m     0     0\n")
    (disk,) = the_pool(text.replace("state: ONLINE", "\x1b[1mstate: \x1b[0m\x1b[0;31mFAULTED\x1b[0m"))["vdevs"]
    assert (disk["state"], disk["read_errors"]) == ("FAULTED", 6)


def test_extra_columns_are_left_out() -> None:
    rows = "\t  sda  ONLINE       1     2     3     9    on     0  a model\n"
    (disk,) = the_pool(a_status(rows=rows))["vdevs"]
    assert [disk["read_errors"], disk["write_errors"], disk["checksum_errors"]] == [1, 2, 3]


def test_explaining_a_healthy_pool_names_it() -> None:
    assert [(pool["name"], pool["health"]) for pool in parse_zpool_status("pool 'my pool' is healthy\n")] == [
        ("my pool", "ONLINE")
    ]
    assert parse_zpool_status("all pools are healthy\n") == parse_zpool_status("no pools available\n") == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("indent", [0, 3, 8, 20])
def test_a_copy_with_other_indentation_says_the_same(moment: str, indent: int) -> None:
    text = sample(moment, "zpool_status.txt")
    copy = "\n".join(" " * indent + line.replace("\t", "    ").rstrip() for line in text.split("\n"))
    assert parse_zpool_status(copy) == parse_zpool_status(text)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_copy_with_windows_line_ends_says_the_same(moment: str) -> None:
    text = sample(moment, "zpool_status.txt")
    assert parse_zpool_status(text.replace("\n", "\r\n")) == parse_zpool_status(text)


def test_a_row_that_a_copy_shifted_stays_a_sibling() -> None:
    rows = "\t mirror-0 ONLINE 0 0 0\n\t   sda ONLINE 0 0 0\n\t    sdb ONLINE 0 0 0\n"
    (mirror,) = the_pool(a_status(rows=rows))["vdevs"]
    assert [disk["name"] for disk in mirror["children"]] == ["sda", "sdb"]


captured = st.sampled_from([sample(moment, "zpool_status.txt") for moment in MOMENTS])


@at_any_speed
@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    json.dumps(parse_zpool_status(text, UTC))


@at_any_speed
@given(captured, st.data())
def test_a_damaged_capture_does_not_make_it_raise(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    junk = data.draw(st.text(max_size=20))
    pools = parse_zpool_status(text[:start] + junk + text[end:], UTC)
    for pool in pools:
        assert pool.get("redundancy_left", 0) >= 0
        assert pool.get("vdev_count", 0) <= len(list(walk(pool["vdevs"])))


@at_any_speed
@given(captured, st.lists(st.integers(0, 60)))
def test_a_capture_with_lines_left_out_does_not_make_it_raise(text: str, dropped: list[int]) -> None:
    kept = [line for number, line in enumerate(text.split("\n")) if number not in dropped]
    json.dumps(parse_zpool_status("\n".join(kept), UTC))


def test_depth_has_an_end() -> None:
    rows = "".join(f"\t{' ' * depth}mirror-{depth} ONLINE 0 0 0\n" for depth in range(1, 1500))
    (top,) = the_pool(a_status(rows=rows))["vdevs"]
    json.dumps(top)


def test_a_line_of_a_megabyte_takes_no_time() -> None:
    assert the_pool(a_status(rows="\t  sda" + " " * 1_000_000 + "x\n"))["vdevs"] == []
