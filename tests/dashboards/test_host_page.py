"""The sections of a host's page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dashboards.findings import finding_rows
from dashboards.host_tables import dataset_rows, guest_rows
from dashboards.sections import SECTIONS, agent_costs, render_section
from dashboards.zpools import redundancy_words, vdev_rows, zpool_views
from proxmon.events import Mark, Recorded
from proxmon.findings import Status
from proxmon.fleet import HostSnapshot
from proxmon.payload import Pool, Vdev
from tests.builders import (
    NOW,
    a_dataset,
    a_disk,
    a_fast_payload,
    a_guest,
    a_host,
    a_medium_payload,
    a_mirror,
    a_pool,
    a_sample,
    a_snapshot,
)
from tests.dashboards.parts import a_newest

LATER = NOW + timedelta(minutes=14)


def with_fast(**changes: object) -> HostSnapshot:
    fast = a_sample(payload=a_fast_payload(**changes))
    return a_snapshot(fast, a_sample(tier="medium"), a_sample(tier="slow"))


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_can_be_shown_of_a_host_that_never_connected(name: str) -> None:
    assert render_section(name, a_newest(HostSnapshot(a_host()))) is not None


@pytest.mark.parametrize("name", ["metrics", "zpools", "storages", "snapshots", "guests", "system"])
def test_a_section_without_data_says_why(name: str) -> None:
    assert "sample has arrived yet" in render_section(name, a_newest(HostSnapshot(a_host())))


def test_a_failed_section_says_why_in_the_source_s_words() -> None:
    html = render_section("storages", a_newest(with_fast(storage={"error": "pvesh: <timed out>"})))
    assert "could not collect storage: pvesh: &lt;timed out&gt;" in html


def test_an_offline_host_is_shown_as_last_known() -> None:
    newest = a_newest(now=LATER)
    assert "Last known" in render_section("metrics", newest)
    assert [view.verdict for view in zpool_views(newest)] == ["unknown"]
    assert guest_rows(newest)[0]["run_state"] is None


def test_a_section_does_not_change_with_time_alone() -> None:
    assert render_section("findings", a_newest()) == render_section(
        "findings", a_newest(now=NOW + timedelta(seconds=9))
    )


def test_a_finding_says_since_when_it_stands_and_leads_there() -> None:
    failed = with_fast(zfs_pools={"pools": [a_pool(health="FAULTED")]})
    marks = {("zpool_health", "rpool"): Mark("critical", NOW - timedelta(hours=3, seconds=0.5))}
    recorded = Recorded(Status.CRITICAL, NOW, judged_since=NOW - timedelta(days=9), verdicts=marks)
    newest = a_newest(replace(failed, recorded=recorded))
    row = finding_rows(newest)[0]
    assert (row.rule, row.began_text) == ("zpool_health", "2026-11-22 16:59 UTC")
    html = render_section("findings", newest)
    assert 'href="?at=2026-11-22T17:00:00Z"' in html
    assert f'for <time data-since="{(NOW - timedelta(hours=3, seconds=0.5)).timestamp()}"' in html
    assert html.count("finding-since") == 1
    assert "finding-since" not in render_section("findings", a_newest(failed))


def test_every_rule_is_listed_the_worst_first() -> None:
    rows = finding_rows(a_newest(with_fast(zfs_pools={"pools": [a_pool(health="FAULTED")]})))
    assert rows[0].rule == "zpool_health"
    assert (rows[0].verdict, rows[0].value, rows[0].threshold) == ("critical", "FAULTED", "critical unless ONLINE")
    assert rows[0].clears_when
    assert len(rows) == 9


def test_of_many_pools_those_that_fail_are_listed_and_the_others_counted() -> None:
    pools = [a_pool(name=f"tank{number}") for number in range(7)]
    few = with_fast(zfs_pools={"pools": [a_pool(name="bad", health="FAULTED"), *pools[1:]]})
    assert len(finding_rows(a_newest(few))[0].details) == 7
    many = a_newest(with_fast(zfs_pools={"pools": [a_pool(name="bad", health="FAULTED"), *pools]}))
    row = finding_rows(many)[0]
    assert ([detail.subject for detail in row.details], row.details_passed) == (["bad"], 7)
    assert "and 7 that pass" in render_section("findings", many)
    passing = finding_rows(a_newest(with_fast(zfs_pools={"pools": pools})))[0]
    assert (len(passing.details), passing.details_passed) in ((7, 0), (0, 0))


def test_names_from_the_host_are_text() -> None:
    html = render_section("zpools", a_newest(with_fast(zfs_pools={"pools": [a_pool(name="<img src=x>")]})))
    assert "<img" not in html
    assert "&lt;img src=x&gt;" in html


def test_the_vdevs_keep_their_order_with_headings_of_their_classes() -> None:
    log = Vdev(name="nvme0", kind="disk", vdev_class="log", state="ONLINE")
    data = Vdev(name="mirror-0", kind="mirror", state="ONLINE", children=(Vdev(name="sda"), Vdev(name="sdb")))
    rows = list(vdev_rows(Pool(name="tank", vdevs=(data, log))))
    assert [(row.vdev.name, row.depth, row.heading) for row in rows] == [
        ("mirror-0", 0, ""),
        ("sda", 1, ""),
        ("sdb", 1, ""),
        ("nvme0", 0, "Log"),
    ]


def test_a_failed_disk_is_marked() -> None:
    mirror = a_mirror(state="DEGRADED", children=[a_disk(), a_disk(name="sdb", state="UNAVAIL", read_errors=3)])
    html = render_section("zpools", a_newest(with_fast(zfs_pools={"pools": [a_pool(vdevs=[mirror])]})))
    assert "UNAVAIL" in html
    assert 'class="num counted" data-label="read">3<' in html


@pytest.mark.parametrize(
    ("left", "words"),
    [(None, "not known"), (0, "none: one more failed device loses data"), (1, "1 more device may fail")],
)
def test_redundancy_is_said_in_words(left: int | None, words: str) -> None:
    assert redundancy_words(Pool(name="tank", redundancy_left=left)) == words


def test_a_running_resilver_shows_how_far_it_is() -> None:
    pool = a_pool(scan={"function": "resilver", "state": "scanning", "percent": 37.2})
    assert "Resilver running" in render_section("zpools", a_newest(with_fast(zfs_pools={"pools": [pool]})))


def test_a_dataset_carries_the_verdict_on_its_oldest_snapshot() -> None:
    old = a_dataset(name="rpool/old", oldest_snapshot_unix=(NOW - timedelta(days=44)).timestamp(), snapshot_count=3)
    medium = a_sample(tier="medium", payload=a_medium_payload(zfs_datasets={"datasets": [a_dataset(), old]}))
    rows = dataset_rows(a_newest(a_snapshot(a_sample(), medium, a_sample(tier="slow"))))
    assert [row["verdict"] for row in rows] == ["ok", "warning"]


def test_unknown_addresses_differ_from_none() -> None:
    newest = a_newest(a_snapshot(a_sample(payload=a_fast_payload(vms_runtime={"vms": [a_guest(vmid=7)]}))))
    assert guest_rows(newest)[0]["ips"] is None


def test_the_agent_s_own_cost_is_shown_in_words() -> None:
    payload = a_fast_payload(agent={"cpu_seconds": 0.5, "rss_bytes": 2**20, "version": "1"})
    assert agent_costs(a_newest(a_snapshot(a_sample(payload=payload)))) == [("CPU time", "0.50 s"), ("Rss", "1 MiB")]


def test_the_time_of_each_section_and_what_waits_are_shown_too() -> None:
    agent = {
        "programs_run": 7,
        "sections": {"zfs_pools": 0.25, "vms_detail": 12},
        "spool": {"samples": 3, "bytes": 2048, "dropped": 0},
        "stuck": ["zpool list", "zfs list"],
    }
    shown = dict(agent_costs(a_newest(a_snapshot(a_sample(payload=a_fast_payload(agent=agent))))))
    assert shown["Programs run"] == "7"
    assert (shown["Collecting zfs pools"], shown["Collecting vms detail"]) == ("0.25 s", "12.00 s")
    assert (shown["Spool samples"], shown["Spool dropped"]) == ("3", "0")
    assert shown["Stuck"] == "zpool list, zfs list"


@pytest.mark.parametrize("other", ['"x": 1e999', '"x": ' + "[" * 900 + "]" * 900, '"agent": {"cpu_seconds": 1e999}'])
def test_numbers_and_nesting_beyond_bounds_in_unknown_keys_do_not_stop_the_page(other: str) -> None:
    sample = replace(a_sample(), raw=f"{{{other}}}".encode())
    assert agent_costs(a_newest(a_snapshot(sample))) == []
