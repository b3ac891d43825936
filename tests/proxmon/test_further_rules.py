"""The further rules, each on both sides of its threshold, and silent where their data is not sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from proxmon.config import RuleSettings
from proxmon.findings import Finding, Skipped, Status, Verdict
from proxmon.fleet import HostSnapshot
from proxmon.rulebook.book import RuleBook
from proxmon.rulebook.reading import read_rules
from proxmon.rules.machine import version_of
from proxmon.status import CONTRACT_NAMES, HostStatus, evaluate
from proxmon.version import __version__
from tests.builders import (
    DAY,
    NOW,
    a_dataset,
    a_fast_payload,
    a_guest,
    a_host,
    a_medium_payload,
    a_pool,
    a_sample,
    a_slow_payload,
    a_snapshot,
    iso,
)

SETTINGS = RuleSettings()
OK, WARNING, CRITICAL = Verdict.OK, Verdict.WARNING, Verdict.CRITICAL


def judge(host: HostSnapshot, rules: str = "", now: Any = NOW) -> HostStatus:
    return evaluate(host, RuleBook(SETTINGS, read_rules(rules, SETTINGS)), now)


def finding(host: HostSnapshot, rule: str, rules: str = "", now: Any = NOW) -> Finding:
    found = judge(host, rules, now).find(rule)
    assert found is not None
    return found


def skipped(host: HostSnapshot, rule: str, rules: str = "") -> Skipped:
    status = judge(host, rules)
    assert status.find(rule) is None
    return next(one for one in status.skipped if one.rule == rule)


def fast(**sections: Any) -> HostSnapshot:
    return a_snapshot(a_sample(payload=a_fast_payload(**sections)))


def medium(**sections: Any) -> HostSnapshot:
    return a_snapshot(a_sample(), a_sample(tier="medium", payload=a_medium_payload(**sections)))


def slow(system: dict[str, Any] | None = None, **sections: Any) -> HostSnapshot:
    payload = a_slow_payload(**sections)
    payload["system_info"] |= system or {}
    return a_snapshot(a_sample(), a_sample(tier="slow", payload=payload))


def on(rule: str, **values: Any) -> str:
    return f"[[{rule}]]\non = true\n" + "".join(f"{key} = {value!r}\n" for key, value in values.items())


# What the contract's hosts send changes nothing.


def test_a_host_that_sends_what_the_nine_need_has_nine_findings_whatever_else_is_in_them() -> None:
    storages = [{"name": "nfs", "type": "nfs", "used_bytes": 99, "total_bytes": 100, "active": False}]
    busy = a_fast_payload()["host"] | {"load15": 900.0, "mem_used_bytes": 32 * 2**30, "arc_bytes": 0}
    payload = a_fast_payload(storage={"storages": storages}, host=busy)
    dataset = a_dataset(snapshot_count=90_000, newest_snapshot_unix=(NOW - 9 * DAY).timestamp())
    system = a_slow_payload()["system_info"] | {"reboot_required": True}
    status = judge(
        a_snapshot(
            a_sample(payload=payload, agent_version="0.0.1"),
            a_sample(tier="medium", payload=a_medium_payload(zfs_datasets={"datasets": [dataset]})),
            a_sample(tier="slow", payload={"system_info": system}),
        )
    )
    assert status.status is Status.OK
    assert tuple(one.rule for one in status.findings) == CONTRACT_NAMES
    assert status.unknown_count == 0


@pytest.mark.parametrize("tiers", [("fast",), ("fast", "medium"), ("slow",)])
def test_tiers_that_never_came_make_the_nine_unknown_and_no_further_rule(tiers: tuple[str, ...]) -> None:
    status = judge(a_snapshot(*(a_sample(tier=tier) for tier in tiers)))
    assert tuple(one.rule for one in status.findings) == CONTRACT_NAMES


def test_a_host_that_never_connected_has_nine_findings() -> None:
    assert tuple(one.rule for one in judge(HostSnapshot(a_host())).findings) == CONTRACT_NAMES


def test_what_is_skipped_says_why() -> None:
    assert skipped(a_snapshot(), "load").why == "Off unless your rules switch it on."
    assert skipped(a_snapshot(), "load", on("load")).why == "The agent does not send what this rule reads (host)."
    assert skipped(a_snapshot(), "disk_health", "[[disk_health]]\non = false").why == "Switched off by your rules."
    assert skipped(a_snapshot(), "disk_health").is_off is False


def test_data_that_failed_or_is_too_old_is_unknown() -> None:
    failed = slow(disks={"error": "no smartctl"})
    assert finding(failed, "disk_health").verdict is Verdict.UNKNOWN
    late = a_snapshot(
        a_sample(), a_sample(tier="slow", payload={"disks": {"disks": [{"name": "sda", "smart_passed": True}]}})
    )
    later = late.with_samples([a_sample(collected_at=NOW + DAY)], NOW + DAY)
    assert finding(later, "disk_health", now=NOW + DAY).verdict is Verdict.UNKNOWN


# Pools and storages.


@pytest.mark.parametrize(
    ("health", "left", "verdict"),
    [("DEGRADED", 0, CRITICAL), ("DEGRADED", -1, CRITICAL), ("DEGRADED", 1, OK), ("ONLINE", 0, OK)],
)
def test_redundancy_is_used_up_only_by_a_fault(health: str, left: int, verdict: Verdict) -> None:
    host = fast(zfs_pools={"pools": [a_pool(health=health, redundancy_left=left)]})
    assert finding(host, "redundancy", on("redundancy")).verdict is verdict


@pytest.mark.parametrize(("active", "verdict"), [(True, OK), (False, WARNING)])
def test_a_storage_that_is_not_active(active: bool, verdict: Verdict) -> None:
    host = fast(storage={"storages": [{"name": "nfs", "active": active}]})
    assert finding(host, "storage_inactive", on("storage_inactive")).verdict is verdict


@pytest.mark.parametrize(("used", "verdict"), [(899, OK), (900, WARNING), (970, WARNING), (971, CRITICAL)])
def test_a_storage_that_is_nearly_full(used: int, verdict: Verdict) -> None:
    storages = [{"name": "local", "type": "dir", "used_bytes": used, "total_bytes": 1000}]
    assert finding(fast(storage={"storages": storages}), "storage_usage", on("storage_usage")).verdict is verdict


def test_a_storage_on_a_zpool_is_left_to_the_pool() -> None:
    storages = [{"name": "local-zfs", "type": "zfspool", "used_bytes": 999, "total_bytes": 1000}]
    assert skipped(fast(storage={"storages": storages}), "storage_usage", on("storage_usage"))


# Guests.


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"status": "running", "onboot": True}, OK),
        ({"status": "stopped", "onboot": True}, WARNING),
        ({"status": "paused", "onboot": True}, WARNING),
        ({"status": "stopped", "onboot": True, "lock": "backup"}, OK),
    ],
)
def test_a_guest_that_starts_with_the_host_should_run(changes: dict[str, Any], verdict: Verdict) -> None:
    found = finding(fast(vms_runtime={"vms": [a_guest(**changes)]}), "guest_stopped")
    assert found.verdict is verdict
    assert found.details[0].subject == "qemu/100 web-01"


@pytest.mark.parametrize("changes", [{"onboot": False}, {}, {"onboot": True, "template": True}])
def test_a_guest_that_need_not_run_is_not_judged(changes: dict[str, Any]) -> None:
    assert skipped(fast(vms_runtime={"vms": [a_guest(status="stopped", **changes)]}), "guest_stopped")


@pytest.mark.parametrize("pattern", ["web-*", "qemu/100", "qemu/100 web-01", "qemu/*"])
def test_a_guest_is_chosen_by_key_or_name(pattern: str) -> None:
    host = fast(vms_runtime={"vms": [a_guest(status="stopped", onboot=True)]})
    assert judge(host, f'[[guest_stopped]]\nguest = "{pattern}"\non = false').status is Status.OK
    assert judge(host, '[[guest_stopped]]\nguest = "db-*"\non = false').status is Status.WARNING


def a_backup(age: timedelta, **changes: Any) -> dict[str, Any]:
    return {"vmid": 100, "type": "qemu", "newest_unix": (NOW - age).timestamp()} | changes


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (a_backup(8 * DAY), OK),
        (a_backup(8 * DAY + timedelta(seconds=1)), WARNING),
        (a_backup(DAY, failed_unix=NOW.timestamp()), WARNING),
        (a_backup(DAY, failed_unix=(NOW - 2 * DAY).timestamp()), OK),
        ({"vmid": 100, "type": "qemu", "failed_unix": NOW.timestamp()}, WARNING),
    ],
)
def test_the_newest_backup_of_a_guest(row: dict[str, Any], verdict: Verdict) -> None:
    assert finding(medium(backups={"guests": [row]}), "backup_age").verdict is verdict


def test_a_backup_gets_too_old_by_itself_at_the_moment_that_is_told() -> None:
    host = medium(backups={"guests": [a_backup(7 * DAY)]})
    detail = finding(host, "backup_age").details[0]
    assert detail.valid_until == NOW + DAY


def test_a_backup_of_a_guest_that_is_gone_is_not_judged() -> None:
    found = finding(medium(backups={"guests": [a_backup(90 * DAY, vmid=999)]}), "backup_age")
    assert (found.verdict, len(found.details)) == (OK, 0)


def test_a_guest_without_a_backup_fails_only_where_one_is_required() -> None:
    host = medium(backups={"guests": []})
    assert finding(host, "backup_age").verdict is OK
    assert finding(host, "backup_age", '[[backup_age]]\nguest = "web-*"\nrequired = true').verdict is WARNING
    assert finding(host, "backup_age", '[[backup_age]]\nguest = "db-*"\nrequired = true').verdict is OK


# Snapshots.


@pytest.mark.parametrize(
    ("policy", "age", "verdict"),
    [
        ("hourly", timedelta(hours=2), OK),
        ("hourly", timedelta(hours=2, seconds=1), WARNING),
        ("daily", timedelta(hours=26), OK),
        ("daily", timedelta(hours=27), WARNING),
        ("weekly", 8 * DAY, OK),
        ("monthly", 33 * DAY, WARNING),
    ],
)
def test_the_newest_snapshot_by_policy(policy: str, age: timedelta, verdict: Verdict) -> None:
    host = medium(zfs_datasets={"datasets": [a_dataset(newest_snapshot_unix=(NOW - age).timestamp())]})
    found = finding(host, "snapshot_newest", on("snapshot_newest", dataset="rpool/*", policy=policy))
    assert found.verdict is verdict


def test_a_dataset_that_should_have_a_snapshot_and_has_none() -> None:
    rows = [{"name": "rpool/a", "snapshot_count": 0}, {"name": "rpool/b", "snapshot_count": 0}]
    host = medium(zfs_datasets={"datasets": rows})
    found = finding(host, "snapshot_newest", on("snapshot_newest", dataset="rpool/a"))
    assert [(one.subject, one.verdict) for one in found.details] == [("rpool/a", WARNING)]


@pytest.mark.parametrize(("count", "verdict"), [(1000, OK), (1001, WARNING)])
def test_too_many_snapshots(count: int, verdict: Verdict) -> None:
    host = medium(zfs_datasets={"datasets": [a_dataset(snapshot_count=count)]})
    assert finding(host, "snapshot_count", on("snapshot_count")).verdict is verdict


# The host.


@pytest.mark.parametrize(("load15", "verdict"), [(16.0, OK), (16.1, WARNING)])
def test_load_for_each_cpu(load15: float, verdict: Verdict) -> None:
    host = fast(host={"load15": load15, "cpu_count": 8})
    assert finding(host, "load", on("load")).verdict is verdict


@pytest.mark.parametrize(("used", "arc", "verdict"), [(95, 0, OK), (96, 0, WARNING), (96, 10, OK)])
def test_memory_without_the_cache(used: int, arc: int, verdict: Verdict) -> None:
    host = fast(host={"mem_used_bytes": used, "mem_total_bytes": 100, "arc_bytes": arc})
    assert finding(host, "memory", on("memory")).verdict is verdict


@pytest.mark.parametrize(("required", "verdict"), [(False, OK), (True, WARNING)])
def test_a_reboot_that_is_required(required: bool, verdict: Verdict) -> None:
    assert finding(slow({"reboot_required": required}), "reboot_required", on("reboot_required")).verdict is verdict


@pytest.mark.parametrize(("count", "verdict"), [(0, OK), (1, WARNING)])
def test_security_updates(count: int, verdict: Verdict) -> None:
    assert finding(slow({"security_updates": count}), "security_updates").verdict is verdict


@pytest.mark.parametrize(
    ("left", "verdict"),
    [
        (10 * DAY, OK),
        (10 * DAY - timedelta(seconds=1), WARNING),
        (3 * DAY, WARNING),
        (3 * DAY - timedelta(seconds=1), CRITICAL),
        (-DAY, CRITICAL),
    ],
)
def test_a_certificate_that_ends(left: timedelta, verdict: Verdict) -> None:
    host = slow({"certificates": [{"path": "/etc/pve/pve-ssl.pem", "ends_at": iso(NOW + left)}]})
    assert finding(host, "certificate").verdict is verdict


def test_a_certificate_whose_end_cannot_be_read_is_not_judged() -> None:
    assert skipped(slow({"certificates": [{"path": "x", "ends_at": "soon"}, {}]}), "certificate")


@pytest.mark.parametrize(("version", "verdict"), [("0.0.9", WARNING), (__version__, OK), ("99.0", OK)])
def test_an_agent_older_than_the_server(version: str, verdict: Verdict) -> None:
    host = a_snapshot(a_sample(agent_version=version))
    assert finding(host, "agent_outdated", on("agent_outdated")).verdict is verdict


def test_versions_are_compared_by_number() -> None:
    old, new = version_of("0.9.1"), version_of("0.10")
    assert old is not None
    assert new is not None
    assert old < new
    assert (version_of("1.0-beta"), version_of(""), version_of("9" * 20)) == (None, None, None)


# Disks.


def disk(**values: Any) -> HostSnapshot:
    return slow(disks={"disks": [{"name": "sda", **values}]})


@pytest.mark.parametrize(("celsius", "verdict"), [(59.9, OK), (60, WARNING), (70, WARNING), (70.1, CRITICAL)])
def test_the_temperature_of_a_disk(celsius: float, verdict: Verdict) -> None:
    assert finding(disk(temperature_celsius=celsius), "disk_temperature").verdict is verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"smart_passed": True}, OK),
        ({"smart_passed": False}, CRITICAL),
        ({"pending_sectors": 1}, WARNING),
        ({"uncorrectable_sectors": 1}, WARNING),
        ({"media_errors": 1}, WARNING),
        ({"reallocated_sectors": 10}, OK),
        ({"reallocated_sectors": 11}, WARNING),
        ({"wear_percent": 90}, OK),
        ({"wear_percent": 91}, WARNING),
    ],
)
def test_what_smart_says_of_a_disk(values: dict[str, Any], verdict: Verdict) -> None:
    assert finding(disk(**values), "disk_health").verdict is verdict


def test_a_disk_that_nobody_may_ask_is_not_judged() -> None:
    assert skipped(disk(model="X"), "disk_health")
    assert skipped(disk(model="X"), "disk_temperature")
