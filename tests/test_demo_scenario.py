"""The simulated fleet: what it sends, and what our rules make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from proxmon.config import RuleSettings
from proxmon.demo.machine import demo_host
from proxmon.demo.roles import PLANNED, Role, role_of
from proxmon.demo.scenario import INTERVALS, STUCK_ERROR, Scenario
from proxmon.findings import Status, Verdict
from proxmon.fleet import Host, HostSnapshot
from proxmon.payload import FastPayload, HostSection, MediumPayload, Tier
from proxmon.samples import Sample, read_message
from proxmon.status import HostStatus, evaluate

BEGIN = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
MOMENTS = {
    "at its start": timedelta(0),
    "while a disk is replaced": timedelta(minutes=2, seconds=40),
    "in its past, at night": timedelta(days=-17, hours=-11, minutes=20),
}
SCENARIO = Scenario(BEGIN)


def read(index: int, at: datetime, tiers: list[Tier] | None = None) -> list[Sample]:
    """Send a host's message through the reader that ingest uses."""
    return read_message(msgspec.json.encode(SCENARIO.message(index, at, tiers or list(Tier))), index, at)


def fast_payload(index: int, at: datetime) -> FastPayload:
    payload = read(index, at, [Tier.FAST])[0].payload
    assert isinstance(payload, FastPayload)
    return payload


def medium_payload(index: int, at: datetime) -> MediumPayload:
    payload = read(index, at, [Tier.MEDIUM])[0].payload
    assert isinstance(payload, MediumPayload)
    return payload


def host_section(index: int, at: datetime) -> HostSection:
    section = fast_payload(index, at).host
    assert section is not None
    return section


def play(index: int, duration: timedelta, step: timedelta) -> Iterator[tuple[timedelta, HostStatus]]:
    """Judge a host again and again while its agent sends as the demo's does."""
    snapshot, passed = HostSnapshot(Host(index, demo_host(index).name, BEGIN)), timedelta(0)
    due = dict.fromkeys(Tier, timedelta(0))
    while passed <= duration:
        now = BEGIN + passed
        if not snapshot.samples or SCENARIO.is_sending(index, now):
            tiers = [tier for tier in Tier if due[tier] <= passed]
            due |= {tier: passed + timedelta(seconds=INTERVALS[tier]) for tier in tiers}
            snapshot = snapshot.with_samples(read(index, now, tiers), now)
        elif SCENARIO.is_stopped(index, now):
            snapshot = replace(snapshot, left_at=now)
        yield passed, evaluate(snapshot, RuleSettings(), now)
        passed += step


def planned(role: Role) -> int:
    return PLANNED.index(role)


@pytest.fixture(scope="module")
def ten_minutes() -> dict[Role, dict[int, HostStatus]]:
    """Return the verdicts on the first eight hosts, by part and second."""
    duration, step = timedelta(minutes=10), timedelta(seconds=5)
    return {
        role: {int(passed.total_seconds()): verdict for passed, verdict in play(index, duration, step)}
        for index, role in enumerate(PLANNED)
    }


def statuses(verdicts: dict[int, HostStatus]) -> list[Status]:
    """Return the statuses in the order in which they came, each change once."""
    found: list[Status] = []
    for verdict in verdicts.values():
        if not found or found[-1] is not verdict.status:
            found.append(verdict.status)
    return found


@pytest.mark.parametrize("passed", MOMENTS.values(), ids=MOMENTS.keys())
def test_every_tier_of_200_hosts_is_a_message_that_ingest_reads(passed: timedelta) -> None:
    for index in range(200):
        samples = read(index, BEGIN + passed)
        assert [sample.tier for sample in samples] == list(Tier)
        assert {sample.tier: sample.interval_seconds for sample in samples} == INTERVALS


def test_the_same_host_at_the_same_moment_says_the_same() -> None:
    at = BEGIN + timedelta(seconds=33)
    again = Scenario(BEGIN)
    assert all(SCENARIO.message(index, at) == again.message(index, at) for index in range(12))


def test_hosts_differ_and_values_move() -> None:
    sections = {str(SCENARIO.payload(index, Tier.FAST, BEGIN)) for index in range(50)}
    assert len(sections) == 50
    assert host_section(0, BEGIN).load1 != host_section(0, BEGIN + timedelta(seconds=20)).load1


def test_every_status_appears_and_all_but_the_steady_ones_move(ten_minutes: dict[Role, dict[int, HostStatus]]) -> None:
    assert {verdict.status for verdicts in ten_minutes.values() for verdict in verdicts.values()} == set(Status)
    moving = {role for role, verdicts in ten_minutes.items() if len(statuses(verdicts)) > 1}
    assert moving == {Role.FAILING, Role.SILENT, Role.STUCK, Role.ADRIFT}


def test_an_agent_is_stopped_while_the_silent_host_is_back(ten_minutes: dict[Role, dict[int, HostStatus]]) -> None:
    found = ten_minutes[Role.STUCK][200].find("offline")
    assert found is not None
    assert "was stopped" in found.message
    assert ten_minutes[Role.SILENT][180].status is Status.OK


def test_every_status_is_there_at_any_moment_from_the_first_minute_on(
    ten_minutes: dict[Role, dict[int, HostStatus]],
) -> None:
    for second in range(35, 601, 5):
        assert {verdicts[second].status for verdicts in ten_minutes.values()} == set(Status), second


def test_something_changes_in_every_two_minutes(ten_minutes: dict[Role, dict[int, HostStatus]]) -> None:
    for start in range(0, 600, 120):
        span = range(start, start + 121, 5)
        assert any(len({verdicts[second].status for second in span}) > 1 for verdicts in ten_minutes.values())


def test_a_host_without_any_trouble_is_there_at_any_moment(ten_minutes: dict[Role, dict[int, HostStatus]]) -> None:
    for second in range(0, 601, 5):
        verdicts = [verdicts[second] for verdicts in ten_minutes.values()]
        assert any(verdict.status is Status.OK and not verdict.unknown_count for verdict in verdicts), second


def test_the_failing_disk_is_critical_heals_and_fails_again(ten_minutes: dict[Role, dict[int, HostStatus]]) -> None:
    verdicts = ten_minutes[Role.FAILING]
    assert statuses(verdicts) == [Status.CRITICAL, Status.OK, Status.WARNING, Status.CRITICAL]
    health, errors = verdicts[0].find("zpool_health"), verdicts[450].find("zpool_errors")
    assert health is not None
    assert health.value == "DEGRADED"
    assert errors is not None
    assert errors.verdict is Verdict.WARNING


def test_the_silent_host_is_offline_and_returns_for_a_while(ten_minutes: dict[Role, dict[int, HostStatus]]) -> None:
    assert statuses(ten_minutes[Role.SILENT]) == [Status.OK, Status.OFFLINE] * 3


@pytest.mark.parametrize(
    ("role", "rules", "status"),
    [
        (Role.FILLING, {"zpool_capacity"}, Status.WARNING),
        (Role.FULL, {"zpool_capacity"}, Status.CRITICAL),
        (Role.NEGLECTED, {"snapshot_age", "pending_updates", "security_updates"}, Status.WARNING),
    ],
)
def test_a_lasting_trouble_stays(
    ten_minutes: dict[Role, dict[int, HostStatus]], role: Role, rules: set[str], status: Status
) -> None:
    for verdict in ten_minutes[role].values():
        assert verdict.status is status
        assert {one.rule for one in verdict.findings if one.verdict is not Verdict.OK} == rules


def test_the_filling_pool_is_86_percent_full(ten_minutes: dict[Role, dict[int, HostStatus]]) -> None:
    finding = ten_minutes[Role.FILLING][300].find("zpool_capacity")
    assert finding is not None
    assert finding.value == 86


def test_the_unscrubbed_host_is_ok_with_one_unknown(ten_minutes: dict[Role, dict[int, HostStatus]]) -> None:
    for verdict in ten_minutes[Role.UNSCRUBBED].values():
        assert (verdict.status, verdict.unknown_count) == (Status.OK, 1)
        finding = verdict.find("scrub_age")
        assert finding is not None
        assert finding.verdict is Verdict.UNKNOWN
        assert "never scrubbed" in finding.message


def test_the_stuck_host_says_why_its_pools_are_not_known(ten_minutes: dict[Role, dict[int, HostStatus]]) -> None:
    verdict = ten_minutes[Role.STUCK][0]
    finding = verdict.find("collection")
    assert verdict.status is Status.WARNING
    assert finding is not None
    assert STUCK_ERROR in finding.message
    assert ten_minutes[Role.STUCK][100].status is Status.OK


def test_the_drifting_clock_is_a_warning_and_is_set_right(ten_minutes: dict[Role, dict[int, HostStatus]]) -> None:
    verdicts = ten_minutes[Role.ADRIFT]
    assert statuses(verdicts) == [Status.OK, Status.WARNING, Status.OK, Status.WARNING, Status.OK]
    finding = verdicts[270].find("clock_offset")
    assert finding is not None
    assert finding.value == 214


def test_most_of_a_large_fleet_is_ok() -> None:
    seconds = timedelta(seconds=60)
    verdicts = [list(play(index, seconds, seconds))[-1][1].status for index in range(200)]
    counted = Counter(verdicts)
    assert set(counted) == set(Status)
    assert 0.8 <= counted[Status.OK] / len(verdicts) <= 0.92
    assert {role_of(index) for index in range(200)} == set(Role)


def test_before_the_demo_a_pool_fills_over_weeks() -> None:
    days = [BEGIN + timedelta(days=day) for day in range(-30, 1)]
    pools = [fast_payload(planned(Role.FILLING), at).zfs_pools for at in days]
    percents = [section.pools[1].capacity_percent or 0 for section in pools if section and section.pools]
    assert percents == sorted(percents)
    assert percents[0] < 70
    assert percents[-1] == 86


def test_before_the_demo_a_host_was_silent_for_some_hours() -> None:
    index = planned(Role.SILENT)
    hours = [hour for hour in range(-30 * 24, 0) if not SCENARIO.is_sending(index, BEGIN + timedelta(hours=hour))]
    assert hours == list(range(-6 * 24, -6 * 24 + 4))


def test_uptime_grows_by_the_seconds_that_pass() -> None:
    first, second = (host_section(0, BEGIN + timedelta(seconds=seconds)) for seconds in (0, 60))
    assert first.uptime_seconds is not None
    assert second.uptime_seconds == first.uptime_seconds + 60


def test_guests_use_no_more_memory_than_the_host_has() -> None:
    for index in range(200):
        section = host_section(index, BEGIN)
        assert section.mem_used_bytes is not None
        assert section.mem_total_bytes is not None
        assert 0 < section.mem_used_bytes < section.mem_total_bytes


def test_snapshots_rotate_each_night() -> None:
    today, tomorrow = (medium_payload(0, BEGIN + timedelta(days=day)).zfs_datasets for day in (0, 1))
    assert today is not None
    assert tomorrow is not None
    pairs = zip(today.datasets or (), tomorrow.datasets or (), strict=True)
    kept = [(one, other) for one, other in pairs if one.snapshot_count]
    assert kept
    for one, other in kept:
        assert one.snapshot_count == other.snapshot_count
        assert other.oldest_snapshot_unix == (one.oldest_snapshot_unix or 0) + 86_400
        assert other.newest_snapshot_unix == (one.newest_snapshot_unix or 0) + 86_400
