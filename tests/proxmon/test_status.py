"""The status of a host: every rule on both sides of its threshold, and what is not known is never ok."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from proxmon.config import RuleSettings
from proxmon.findings import Finding, Status, Verdict
from proxmon.fleet import HostSnapshot
from proxmon.status import CONTRACT_NAMES, HostStatus, evaluate
from tests.builders import (
    DAY,
    NOW,
    a_dataset,
    a_disk,
    a_fast_payload,
    a_host,
    a_medium_payload,
    a_mirror,
    a_pool,
    a_sample,
    a_slow_payload,
    a_snapshot,
    iso,
)

SECOND = timedelta(seconds=1)


def judge(host: HostSnapshot, now: Any = NOW, **settings: Any) -> HostStatus:
    return evaluate(host, RuleSettings(**settings), now)


def finding(host: HostSnapshot, rule: str, now: Any = NOW, **settings: Any) -> Finding:
    found = judge(host, now, **settings).find(rule)
    assert found is not None
    return found


def with_pool(**changes: Any) -> HostSnapshot:
    return a_snapshot(a_sample(payload=a_fast_payload(zfs_pools={"pools": [a_pool(**changes)]})))


def with_dataset(**changes: Any) -> HostSnapshot:
    payload = a_medium_payload(zfs_datasets={"datasets": [a_dataset(**changes)]})
    return a_snapshot(a_sample(), a_sample(tier="medium", payload=payload))


def with_system(**changes: Any) -> HostSnapshot:
    system = a_slow_payload()["system_info"] | changes
    return a_snapshot(a_sample(), a_sample(tier="slow", payload={"system_info": system}))


def ctime(moment: Any) -> str:
    return moment.strftime("%a %b %e %H:%M:%S %Y")


def test_a_healthy_host_is_ok_and_every_rule_has_a_finding() -> None:
    status = judge(a_snapshot())
    assert status.status is Status.OK
    assert [one.rule for one in status.findings] == list(CONTRACT_NAMES)
    assert {one.verdict for one in status.findings} == {Verdict.OK}
    assert status.unknown_count == 0
    assert status.worst_finding is None


def test_every_finding_says_its_threshold_and_what_clears_it() -> None:
    for host in (a_snapshot(), HostSnapshot(a_host())):
        for one in judge(host).findings:
            assert one.message
            assert one.threshold
            assert one.clears_when


def test_a_finding_tells_value_unit_and_age_of_its_data() -> None:
    full = finding(with_pool(capacity_percent=85), "zpool_capacity", NOW + 5 * SECOND)
    assert (full.value, full.unit, full.subject) == (85, "%", "rpool")
    assert full.age_seconds(NOW + 5 * SECOND) == 5
    assert full.message == "rpool is 85 % full"


# offline


def test_a_host_without_samples_is_offline_and_all_else_is_unknown() -> None:
    status = judge(HostSnapshot(a_host()))
    assert status.status is Status.OFFLINE
    assert status.findings[0].message == "Never connected"
    assert {one.verdict for one in status.findings[1:]} == {Verdict.UNKNOWN}


@pytest.mark.parametrize(
    ("interval", "silence", "expected"),
    [
        (10, 30, Status.OK),
        (10, 31, Status.OFFLINE),
        (1, 30, Status.OK),
        (60, 180, Status.OK),
        (60, 181, Status.OFFLINE),
    ],
)
def test_silence_of_three_intervals_but_at_least_30_s_is_offline(
    interval: float, silence: int, expected: Status
) -> None:
    host = a_snapshot(a_sample(interval_seconds=interval))
    assert judge(host, NOW + silence * SECOND).status is expected


def test_what_an_offline_host_said_last_is_unknown_not_ok() -> None:
    status = judge(a_snapshot(), NOW + DAY)
    assert status.status is Status.OFFLINE
    assert {one.verdict for one in status.findings[1:]} == {Verdict.UNKNOWN}


def test_what_a_host_said_before_its_goodbye_is_told_as_last_known() -> None:
    found = finding(a_snapshot(left_at=NOW), "zpool_health", NOW + SECOND)
    assert found.verdict is Verdict.UNKNOWN
    assert found.message == "The host is offline; last known: rpool is ONLINE"


def test_a_degraded_host_that_falls_silent_is_offline_not_critical() -> None:
    assert judge(with_pool(health="DEGRADED"), NOW + DAY).status is Status.OFFLINE


def test_a_rotated_token_is_offline_until_a_sample_is_accepted() -> None:
    rotated = a_snapshot(rotated_at=NOW + SECOND)
    assert judge(rotated, NOW + 2 * SECOND).status is Status.OFFLINE
    back = rotated.with_samples([a_sample(collected_at=NOW + 5 * SECOND)], NOW + 5 * SECOND)
    assert judge(back, NOW + 6 * SECOND).status is Status.OK


def test_a_goodbye_is_offline_at_once() -> None:
    gone = a_snapshot(left_at=NOW + SECOND)
    assert judge(gone, NOW + 2 * SECOND).status is Status.OFFLINE
    assert "stopped" in judge(gone, NOW + 2 * SECOND).findings[0].message


def test_silence_is_measured_by_the_servers_clock() -> None:
    behind = a_sample(collected_at=NOW - DAY, received_at=NOW, fresh_at=NOW)
    assert judge(a_snapshot(behind), NOW + SECOND).findings[0].verdict is Verdict.OK


# zpool_health


@pytest.mark.parametrize("health", ["DEGRADED", "FAULTED", "SUSPENDED", "UNAVAIL", "REMOVED", "SPLENDID", "online"])
def test_any_health_but_online_is_critical_and_shown_as_it_came(health: str) -> None:
    host = with_pool(health=health)
    assert judge(host).status is Status.CRITICAL
    assert finding(host, "zpool_health").value == health
    assert health in finding(host, "zpool_health").message


def test_one_bad_pool_among_good_ones_is_named() -> None:
    pools = [a_pool(name="fine"), a_pool(name="tank", health="FAULTED"), a_pool(name="data", health="DEGRADED")]
    found = finding(a_snapshot(a_sample(payload=a_fast_payload(zfs_pools={"pools": pools}))), "zpool_health")
    assert found.subject == "tank"
    assert found.message == "tank is FAULTED (and 1 more)"
    assert [detail.verdict for detail in found.details] == [Verdict.OK, Verdict.CRITICAL, Verdict.CRITICAL]


@pytest.mark.parametrize("health", [None, ""])
def test_a_pool_without_health_is_unknown(health: str | None) -> None:
    assert finding(with_pool(health=health), "zpool_health").verdict is Verdict.UNKNOWN


def test_a_host_that_says_it_has_no_pools_passes() -> None:
    host = a_snapshot(a_sample(payload=a_fast_payload(zfs_pools={"pools": []})))
    for rule in ("zpool_health", "zpool_capacity", "zpool_errors", "scrub_age"):
        assert finding(host, rule).verdict is Verdict.OK
        assert finding(host, rule).message == "No pools on this host"


# zpool_capacity


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (79.9, Verdict.OK),
        (80, Verdict.WARNING),
        (90, Verdict.WARNING),
        (90.1, Verdict.CRITICAL),
        (100, Verdict.CRITICAL),
    ],
)
def test_capacity_warns_from_80_and_is_critical_above_90(percent: float, expected: Verdict) -> None:
    assert finding(with_pool(capacity_percent=percent), "zpool_capacity").verdict is expected


def test_capacity_is_worked_out_from_sizes_where_it_was_not_sent() -> None:
    host = with_pool(capacity_percent=None, size_bytes=1000, alloc_bytes=850)
    assert finding(host, "zpool_capacity").value == 85
    assert finding(with_pool(capacity_percent=None, size_bytes=None), "zpool_capacity").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("alloc", "expected", "words"),
    [
        (7_999, Verdict.OK, "79.99 % full"),
        (8_000, Verdict.WARNING, "80 % full"),
        (9_000, Verdict.WARNING, "90 % full"),
        (9_004, Verdict.CRITICAL, "90.04 % full"),
        (9_123, Verdict.CRITICAL, "91.2 % full"),
    ],
)
def test_a_capacity_from_sizes_is_judged_as_it_is_and_shown_so_that_one_sees_why(
    alloc: int, expected: Verdict, words: str
) -> None:
    found = finding(with_pool(capacity_percent=None, size_bytes=10_000, alloc_bytes=alloc), "zpool_capacity")
    assert (found.verdict, found.message) == (expected, f"rpool is {words}")


def test_capacity_thresholds_come_from_the_settings() -> None:
    changed = {"capacity_warning_percent": 50.0, "capacity_critical_percent": 60.0}
    assert finding(with_pool(capacity_percent=55), "zpool_capacity", **changed).verdict is Verdict.WARNING
    assert "50 %" in finding(with_pool(), "zpool_capacity", **changed).threshold


# zpool_errors


@pytest.mark.parametrize(
    "changes",
    [
        {"error_count": 1},
        {"data_error_count": 3},
        {"scan": {"function": "scrub", "state": "finished", "errors": 2}},
        {"vdevs": [a_mirror(children=[a_disk(read_errors=1)])], "error_count": None},
        {"vdevs": [a_mirror(children=[a_disk(write_errors=1)])]},
        {"vdevs": [a_mirror(checksum_errors=4)]},
        {"vdevs": [a_mirror(checksum_errors=4, children=[])]},
        {"scan": {"function": "scrub", "state": "scanning", "errors": 2}},
        {"rebuilds": [{"function": "resilver", "state": "finished", "errors": 1}]},
        {"data_error_count": 3, "error_count": None, "vdevs": None},
    ],
)
def test_errors_of_any_kind_are_a_warning(changes: dict[str, Any]) -> None:
    assert finding(with_pool(**changes), "zpool_errors").verdict is Verdict.WARNING
    assert judge(with_pool(**changes)).status is Status.WARNING


def test_no_errors_pass_and_no_counts_are_unknown() -> None:
    assert finding(with_pool(), "zpool_errors").verdict is Verdict.OK
    silent = with_pool(error_count=None, data_error_count=None, scan=None, vdevs=[])
    assert finding(silent, "zpool_errors").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"error_count": None, "vdevs": None}, "device errors"),
        ({"error_count": None, "vdevs": []}, "device errors"),
        ({"error_count": None, "vdevs": [a_mirror(children=[a_disk(checksum_errors=None)])]}, "device errors"),
        ({"data_error_count": None}, "data errors"),
        ({"scan": {"function": "scrub", "state": "finished"}}, "errors in the last scrub"),
        ({"rebuilds": [{"function": "resilver", "state": "finished"}]}, "errors in the last resilver"),
        ({"scan": {}}, "errors in the last scan"),
    ],
)
def test_errors_that_were_not_counted_are_unknown_and_named(changes: dict[str, Any], missing: str) -> None:
    found = finding(with_pool(**changes), "zpool_errors")
    assert found.verdict is Verdict.UNKNOWN
    assert found.message == f"rpool: the agent did not send its {missing}."


@pytest.mark.parametrize(
    "changes",
    [
        {"error_count": None},
        {"vdevs": None},
        {"scan": None},
        {"scan": {"function": "scrub", "state": "scanning"}},
        {"scan": {"function": "scrub", "state": "canceled"}},
        {"error_count": None, "vdevs": [a_mirror(), {"name": "sdz", "class": "spare", "state": "AVAIL"}]},
    ],
)
def test_what_counts_no_errors_of_its_own_does_not_make_them_unknown(changes: dict[str, Any]) -> None:
    assert finding(with_pool(**changes), "zpool_errors").verdict is Verdict.OK


@pytest.mark.parametrize(
    ("scan", "words"),
    [
        ({"function": "scrub", "state": "finished", "errors": 1}, "1 error in the last scrub"),
        ({"function": "resilver", "state": "finished", "errors": 2}, "2 errors in the last resilver"),
        ({"function": "resilver", "state": "scanning", "errors": 2}, "2 errors in the running resilver"),
        ({"function": "scrub", "state": "canceled", "errors": 2}, "2 errors in the canceled scrub"),
    ],
)
def test_the_errors_of_a_scan_are_called_what_they_are(scan: dict[str, Any], words: str) -> None:
    assert finding(with_pool(scan=scan), "zpool_errors").message == f"rpool has {words}"


# scrub_age


@pytest.mark.parametrize(("age", "expected"), [(35 * DAY, Verdict.OK), (35 * DAY + SECOND, Verdict.WARNING)])
@pytest.mark.parametrize("form", [iso, ctime])
def test_a_scrub_older_than_35_days_is_a_warning(age: timedelta, expected: Verdict, form: Any) -> None:
    assert finding(with_pool(last_scrub_end=form(NOW - age)), "scrub_age").verdict is expected


def test_a_pool_that_was_never_scrubbed_is_unknown() -> None:
    found = finding(with_pool(last_scrub_end=None, scan=None), "scrub_age")
    assert found.verdict is Verdict.UNKNOWN
    assert found.message == "rpool was never scrubbed"


def test_a_running_scrub_is_fresh_however_old_the_last_one() -> None:
    running = {"function": "scrub", "state": "scanning", "percent": 12.5}
    found = finding(with_pool(last_scrub_end=iso(NOW - 90 * DAY), scan=running), "scrub_age")
    assert found.verdict is Verdict.OK
    assert found.message == "rpool is being scrubbed, 12.5 % done"


@pytest.mark.parametrize("state", ["paused", "canceled"])
def test_a_scrub_that_does_not_run_is_not_fresh(state: str) -> None:
    scan = {"function": "scrub", "state": state}
    assert finding(with_pool(last_scrub_end=None, scan=scan), "scrub_age").verdict is Verdict.UNKNOWN


def test_the_server_keeps_the_date_of_a_scrub_that_a_resilver_hides() -> None:
    scrubbed = with_pool(last_scrub_end=iso(NOW - 10 * DAY))
    resilver = {"function": "resilver", "state": "finished", "errors": 0}
    later = a_fast_payload(zfs_pools={"pools": [a_pool(last_scrub_end=None, scan=resilver)]})
    known = scrubbed.with_samples([a_sample(payload=later, collected_at=NOW + SECOND)], NOW + SECOND)
    assert finding(known, "scrub_age", NOW + SECOND).verdict is Verdict.OK
    assert finding(known, "scrub_age", NOW + SECOND).value == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize(
    ("ahead", "form", "expected"),
    [
        (60 * SECOND, iso, Verdict.OK),
        (61 * SECOND, iso, Verdict.UNKNOWN),
        (400 * DAY, iso, Verdict.UNKNOWN),
        (14 * 3600 * SECOND, ctime, Verdict.OK),  # a host far in the east says so
        (15 * 3600 * SECOND, ctime, Verdict.UNKNOWN),
    ],
)
def test_a_scrub_that_is_dated_in_the_future_is_unknown(ahead: timedelta, form: Any, expected: Verdict) -> None:
    host = with_pool(last_scrub_end=form(NOW + ahead))
    found = finding(host, "scrub_age")
    assert found.verdict is expected
    assert ("in the future" in found.message) == (expected is Verdict.UNKNOWN)
    assert finding(host, "scrub_age", NOW + ahead).verdict is not Verdict.WARNING


def test_a_date_in_the_future_is_not_kept_when_a_resilver_hides_it() -> None:
    wrong = with_pool(last_scrub_end=iso(NOW + 100 * DAY))
    right = a_fast_payload(zfs_pools={"pools": [a_pool(last_scrub_end=iso(NOW - 3 * DAY))]})
    hidden = a_fast_payload(zfs_pools={"pools": [a_pool(last_scrub_end=None, scan=None)]})
    samples = [a_sample(payload=one, collected_at=NOW + n * SECOND) for n, one in enumerate((right, hidden), 1)]
    found = finding(wrong.with_samples(samples, NOW + 2 * SECOND), "scrub_age", NOW + 2 * SECOND)
    assert found.value == pytest.approx(3, abs=0.01)


def test_a_scrub_date_that_cannot_be_read_is_unknown_and_shown() -> None:
    found = finding(with_pool(last_scrub_end="soon", scan=None), "scrub_age")
    assert found.verdict is Verdict.UNKNOWN
    assert "soon" in found.message


# snapshot_age


@pytest.mark.parametrize(("age", "expected"), [(30 * DAY, Verdict.OK), (30 * DAY + SECOND, Verdict.WARNING)])
def test_a_snapshot_older_than_30_days_is_a_warning(age: timedelta, expected: Verdict) -> None:
    host = with_dataset(oldest_snapshot_unix=(NOW - age).timestamp())
    assert finding(host, "snapshot_age").verdict is expected


def test_a_dataset_without_snapshots_passes_and_one_that_says_nothing_is_unknown() -> None:
    none = with_dataset(snapshot_count=0, oldest_snapshot_unix=None, newest_snapshot_unix=None)
    assert finding(none, "snapshot_age").verdict is Verdict.OK
    silent = with_dataset(snapshot_count=None, oldest_snapshot_unix=None)
    assert finding(silent, "snapshot_age").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("ahead", "expected"), [(60, Verdict.OK), (61, Verdict.UNKNOWN)])
def test_a_snapshot_that_is_dated_in_the_future_is_unknown(ahead: int, expected: Verdict) -> None:
    host = with_dataset(oldest_snapshot_unix=NOW.timestamp() + ahead)
    found = finding(host, "snapshot_age")
    assert found.verdict is expected
    assert ("in the future" in found.message) == (expected is Verdict.UNKNOWN)
    assert finding(host, "snapshot_age", NOW + SECOND).verdict is Verdict.OK


def test_the_dataset_with_the_oldest_snapshot_is_named_and_every_one_has_its_detail() -> None:
    ages = {"a": 3, "b": 31, "c": 44, "d": None}
    datasets = [
        a_dataset(name=name, oldest_snapshot_unix=age and (NOW - age * DAY).timestamp()) for name, age in ages.items()
    ]
    payload = a_medium_payload(zfs_datasets={"datasets": datasets})
    found = finding(a_snapshot(a_sample(), a_sample(tier="medium", payload=payload)), "snapshot_age")
    assert (found.subject, found.value) == ("c", 44)
    assert found.message == "c: its oldest snapshot is 44 d old (and 1 more)"
    verdicts = [Verdict.OK, Verdict.WARNING, Verdict.WARNING, Verdict.UNKNOWN]
    assert [(detail.subject, detail.verdict) for detail in found.details] == list(zip("abcd", verdicts, strict=True))
    assert len(found.details) == 4


def test_a_snapshot_that_becomes_too_old_is_judged_again_in_time() -> None:
    due = NOW + 5 * SECOND
    host = with_dataset(oldest_snapshot_unix=(due - 30 * DAY).timestamp())
    assert judge(host).valid_until == due
    assert finding(host, "snapshot_age", due + timedelta(milliseconds=1)).verdict is Verdict.WARNING


def test_datasets_of_a_pool_that_cannot_be_listed_are_unknown() -> None:
    payload = a_medium_payload(zfs_datasets={"datasets": [], "unknown_pools": ["tank"]})
    host = a_snapshot(a_sample(), a_sample(tier="medium", payload=payload))
    assert finding(host, "snapshot_age").verdict is Verdict.UNKNOWN


# pending_updates


@pytest.mark.parametrize(("count", "expected"), [(0, Verdict.OK), (1, Verdict.WARNING), (None, Verdict.UNKNOWN)])
def test_pending_updates_are_a_warning_above_none(count: int | None, expected: Verdict) -> None:
    assert finding(with_system(pending_updates=count), "pending_updates").verdict is expected


# collection


def test_a_failed_section_is_a_warning_shown_as_it_came_and_its_rules_are_unknown() -> None:
    host = a_snapshot(a_sample(payload=a_fast_payload(zfs_pools={"error": "zpool: timed out"})))
    assert judge(host).status is Status.WARNING
    assert "zpool: timed out" in finding(host, "collection").message
    for rule in ("zpool_health", "zpool_capacity", "zpool_errors", "scrub_age"):
        assert finding(host, rule).verdict is Verdict.UNKNOWN
        assert "zpool: timed out" in finding(host, rule).message


@pytest.mark.parametrize("name", ["storage", "agent", "smart", "zfs_pools_detail", "zfs_datasets"])
def test_a_failed_section_that_no_rule_reads_is_a_warning_too(name: str) -> None:
    host = a_snapshot(a_sample(payload=a_fast_payload(**{name: {"error": "timed out"}})))
    assert judge(host).status is Status.WARNING
    assert finding(host, "collection").message == f"{name}: timed out"


@pytest.mark.parametrize("section", [{"error": None}, {"error": 3}, {"errors": "x"}, ["error"], "error", None])
def test_an_unknown_section_without_an_error_in_words_is_no_failure(section: Any) -> None:
    host = a_snapshot(a_sample(payload=a_fast_payload(smart=section)))
    assert finding(host, "collection").verdict is Verdict.OK


def test_an_error_without_words_and_one_of_too_many_are_shown_within_bounds() -> None:
    silent = a_snapshot(a_sample(payload=a_fast_payload(zfs_pools={"error": ""})))
    assert finding(silent, "collection").message == "zfs_pools: the agent did not say why"
    assert finding(silent, "zpool_health").message == "The agent could not collect zfs_pools: the agent did not say why"
    long = a_snapshot(a_sample(payload=a_fast_payload(zfs_pools={"error": "x" * 1_000_000})))
    assert all(len(one.message) < 1_100 for one in judge(long).findings)


def test_a_tier_three_intervals_late_is_a_warning_while_the_host_is_online() -> None:
    host = a_snapshot(a_sample(tier="medium"), a_sample(collected_at=NOW + 900 * SECOND))
    assert finding(host, "collection", NOW + 900 * SECOND).verdict is Verdict.OK
    late = finding(host, "collection", NOW + 901 * SECOND)
    assert late.verdict is Verdict.WARNING
    assert "medium" in late.message
    assert finding(host, "snapshot_age", NOW + 901 * SECOND).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("missing", "rules"),
    [
        ("fast", ["zpool_health", "zpool_capacity", "zpool_errors", "scrub_age"]),
        ("medium", ["snapshot_age"]),
        ("slow", ["pending_updates"]),
    ],
)
def test_a_tier_that_never_arrived_makes_its_rules_unknown(missing: str, rules: list[str]) -> None:
    present = [a_sample(tier=tier) for tier in ("fast", "medium", "slow") if tier != missing]
    status = judge(a_snapshot(*present))
    assert [one.rule for one in status.findings if one.verdict is Verdict.UNKNOWN] == rules
    assert status.status is Status.OK
    assert status.unknown_count == len(rules)


def test_a_section_that_was_not_sent_is_unknown() -> None:
    payload = a_fast_payload()
    del payload["zfs_pools"]
    found = finding(a_snapshot(a_sample(payload=payload)), "zpool_health")
    assert found.verdict is Verdict.UNKNOWN
    assert found.message == "The agent did not send zfs_pools."


# clock_offset


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(60, Verdict.OK), (-60, Verdict.OK), (60.5, Verdict.WARNING), (-61, Verdict.WARNING)],
)
def test_a_clock_more_than_60_s_off_is_a_warning(offset: float, expected: Verdict) -> None:
    assert finding(a_snapshot(a_sample(clock_offset_seconds=offset)), "clock_offset").verdict is expected


# the status


def test_the_worst_verdict_is_the_status() -> None:
    pools = [a_pool(capacity_percent=85), a_pool(name="tank", health="DEGRADED")]
    status = judge(a_snapshot(a_sample(payload=a_fast_payload(zfs_pools={"pools": pools}))))
    assert status.status is Status.CRITICAL
    worst = status.worst_finding
    assert worst is not None
    assert worst.rule == "zpool_health"


def test_a_verdict_is_valid_until_time_alone_would_change_it() -> None:
    status = judge(a_snapshot())
    assert status.valid_until == NOW + 30 * SECOND
    assert judge(a_snapshot(), NOW + 30 * SECOND).status is Status.OK
    assert judge(a_snapshot(), NOW + 30 * SECOND + timedelta(microseconds=1)).status is Status.OFFLINE


def test_judging_is_pure() -> None:
    host = with_pool(health="DEGRADED")
    assert judge(host) == judge(host)
