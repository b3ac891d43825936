"""What becomes of findings over time: when alerts open, change and end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxmon.alerts.engine import MAX_QUIET
from proxmon.alerts.model import AlertEvent, EventKind, Severity
from proxmon.alerts.policy import default_policies
from proxmon.alerts.replay import Message, Replay
from proxmon.config import RuleSettings
from proxmon.fleet import HostSnapshot
from proxmon.rulebook.book import Entry, RuleBook
from proxmon.status import evaluate
from tests.builders import (
    NOW,
    a_disk,
    a_fast_payload,
    a_guest,
    a_host,
    a_mirror,
    a_pool,
    a_sample,
    an_opened_alert,
    iso,
)

RULES = RuleSettings()
POLICIES = default_policies(RULES)
STEP = timedelta(seconds=10)
# Well after the server's start, so that its grace is over.
START = NOW - timedelta(hours=1)


def a_replay(*names: str) -> Replay:
    hosts = [HostSnapshot(a_host(id=number, name=name)) for number, name in enumerate(names or ("pve-01",), 1)]
    return Replay(hosts, RULES, POLICIES, START)


def a_message(at: datetime, host_id: int = 1, **payload: Any) -> Message:
    sample = a_sample(host_id=host_id, payload=a_fast_payload(**payload), collected_at=at)
    return Message(host_id, at, [sample])


def pools(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"zfs_pools": {"pools": list(rows)}}


def stream(payloads: Iterable[dict[str, Any]], start: datetime = NOW, host_id: int = 1) -> list[Message]:
    return [a_message(start + STEP * index, host_id, **one) for index, one in enumerate(payloads)]


def kinds(events: Iterable[AlertEvent]) -> list[str]:
    return [event.kind.value for event in events]


FULL, HALF = pools(a_pool(capacity_percent=85)), pools(a_pool(capacity_percent=50))
BROKEN, HEALTHY = pools(a_pool(health="DEGRADED")), pools(a_pool())


def test_a_finding_alerts_when_it_has_held_for_its_samples_and_its_time() -> None:
    replay = a_replay()
    replay.play(stream([FULL] * 6))
    assert replay.events == []
    replay.play([a_message(NOW + STEP * 6, **FULL)])
    (event,) = replay.events
    assert (event.kind, event.rule, event.subject, event.value) == ("opened", "zpool_capacity", "rpool", 85)
    assert (event.began_at, event.happened_at) == (NOW, NOW + STEP * 6)


def test_a_finding_of_one_moment_does_not_alert() -> None:
    replay = a_replay()
    replay.play(stream([HEALTHY, BROKEN, HEALTHY, HEALTHY, BROKEN, HEALTHY]))
    assert replay.events == []


def test_one_alert_stays_one_while_its_value_changes() -> None:
    replay = a_replay()
    replay.play(stream([pools(a_pool(capacity_percent=80 + index / 10)) for index in range(60)]))
    assert kinds(replay.events) == ["opened"]
    (alert,) = replay.engine.list_alerts()
    assert alert.seen.value == 85.9


def test_an_alert_that_worsens_escalates_and_one_that_eases_says_so() -> None:
    replay = a_replay()
    worse, easier = pools(a_pool(capacity_percent=93)), pools(a_pool(capacity_percent=85))
    replay.play(stream([FULL] * 10 + [worse] * 10 + [easier] * 40))
    assert kinds(replay.events) == ["opened", "escalated", "eased"]
    assert replay.events[1].severity is Severity.CRITICAL


def test_an_alert_ends_below_its_own_threshold_only() -> None:
    replay = a_replay()
    replay.play(stream([FULL] * 10 + [pools(a_pool(capacity_percent=79))] * 60))
    assert kinds(replay.events) == ["opened"]
    replay.play(stream([pools(a_pool(capacity_percent=77))] * 40, NOW + STEP * 70))
    assert kinds(replay.events) == ["opened", "closed"]


def test_a_value_around_its_threshold_neither_repeats_nor_flaps() -> None:
    replay = a_replay()
    around = [pools(a_pool(capacity_percent=79.5 + index % 2)) for index in range(200)]
    replay.play(stream([FULL] * 10 + around))
    assert kinds(replay.events) == ["opened"]


def test_a_failing_disk_is_one_alert_from_its_first_error_to_its_replacement() -> None:
    replay = a_replay()
    bad = a_mirror(children=[a_disk(name="sda", checksum_errors=7), a_disk(name="sdb")])
    weak = pools(a_pool(error_count=7, vdevs=[bad]))
    faulted = pools(a_pool(health="DEGRADED", error_count=7, vdevs=[bad]))
    replay.play(stream([HEALTHY] * 3 + [weak] * 5 + [faulted] * 5 + [HEALTHY] * 20))
    assert kinds(replay.events) == ["opened", "escalated", "closed"]
    assert [event.rule for event in replay.events] == ["zpool_errors", "zpool_health", "zpool_health"]
    assert len({event.alert_id for event in replay.events}) == 1


def test_old_snapshots_of_many_datasets_are_one_alert_for_the_pool() -> None:
    replay = a_replay()
    old = (NOW - timedelta(days=45)).timestamp()
    rows = [{"name": f"rpool/data/{n}", "snapshot_count": 1, "oldest_snapshot_unix": old} for n in range(12)]
    for index in range(3):
        at = NOW + timedelta(minutes=5) * index
        sample = a_sample(tier="medium", payload={"zfs_datasets": {"datasets": rows}}, collected_at=at)
        replay.play([Message(1, at, [sample])])
    (event,) = [one for one in replay.events if one.rule == "snapshot_age"]
    assert event.subject == "rpool"
    assert event.message.endswith("(and 11 more)")


def test_a_sample_that_is_judged_again_counts_once() -> None:
    replay = a_replay()
    replay.play([a_message(NOW, **BROKEN)])
    snapshot = replay.find(1)
    assert snapshot is not None
    for seconds in (1, 2, 3):
        replay.put(snapshot, NOW + timedelta(seconds=seconds))
    assert replay.events == []


# The heaviest complaints about monitors, each with its test.


def test_one_empty_poll_neither_ends_an_alert_nor_begins_another() -> None:
    replay = a_replay()
    empty, failed = {"zfs_pools": {"pools": []}}, {"zfs_pools": {"error": "timed out"}}
    replay.play(
        stream([BROKEN] * 5 + [empty] + [BROKEN] * 5 + [failed] + [BROKEN] * 5 + [{"zfs_pools": None}] + [BROKEN] * 5)
    )
    assert kinds(replay.events) == ["opened"]


def test_a_pool_that_stays_away_ends_its_alert() -> None:
    replay = a_replay()
    replay.play(stream([BROKEN] * 5 + [{"zfs_pools": {"pools": []}}] * 20))
    assert kinds(replay.events) == ["opened", "closed"]
    assert replay.events[-1].detail == "rpool is not there any more"


def test_a_host_is_offline_after_three_missed_intervals_and_comes_back_with_one_sample() -> None:
    replay = a_replay()
    replay.play(stream([HEALTHY] * 3))
    last = NOW + STEP * 2
    replay.run_until(last + timedelta(seconds=30))
    assert replay.events == []
    replay.run_until(last + timedelta(seconds=31))
    (event,) = replay.events
    assert (event.rule, event.severity) == ("offline", Severity.CRITICAL)
    assert event.happened_at == last + timedelta(seconds=30, microseconds=1)
    replay.play([a_message(last + timedelta(minutes=5))])
    assert kinds(replay.events) == ["opened", "closed"]


def test_a_host_that_is_offline_silences_what_depends_on_it() -> None:
    replay = a_replay()
    replay.play(stream([BROKEN] * 3))
    replay.run_until(NOW + timedelta(hours=3))
    assert [(event.rule, event.kind) for event in replay.events] == [
        ("zpool_health", EventKind.OPENED),
        ("offline", EventKind.OPENED),
    ]
    replay.play(stream([BROKEN] * 5, NOW + timedelta(hours=3)))
    assert kinds(replay.events) == ["opened", "opened", "closed"]


def test_the_server_s_own_start_calls_nobody_offline() -> None:
    seen = NOW - timedelta(hours=5)
    host = HostSnapshot(a_host()).with_samples([a_sample(collected_at=seen)], seen)
    replay = Replay([host], RULES, POLICIES, NOW)
    replay.put(host, NOW)
    replay.run_until(NOW + timedelta(seconds=119))
    assert replay.events == []
    replay.run_until(NOW + timedelta(seconds=121))
    assert kinds(replay.events) == ["opened"]


def test_after_the_server_s_start_a_host_has_three_of_its_own_intervals() -> None:
    seen = NOW - timedelta(hours=5)
    sample = replace(a_sample(collected_at=seen), interval_seconds=300)
    host = HostSnapshot(a_host()).with_samples([sample], seen)
    replay = Replay([host], RULES, POLICIES, NOW)
    replay.put(host, NOW)
    replay.run_until(NOW + timedelta(minutes=15, seconds=-1))
    assert replay.events == []
    replay.run_until(NOW + timedelta(minutes=15, seconds=1))
    assert kinds(replay.events) == ["opened"]


def test_a_host_that_was_heard_since_the_server_s_start_has_no_grace() -> None:
    replay = Replay([HostSnapshot(a_host())], RULES, POLICIES, NOW)
    replay.play(stream([HEALTHY]))
    replay.run_until(NOW + timedelta(seconds=31))
    assert kinds(replay.events) == ["opened"]


def test_a_host_that_never_connected_is_no_loss() -> None:
    replay = a_replay()
    snapshot = replay.find(1)
    assert snapshot is not None
    replay.put(snapshot, NOW)
    replay.run_until(NOW + timedelta(days=3))
    assert replay.events == []


def goodbye(replay: Replay, reason: str | None, at: datetime) -> None:
    snapshot = replay.find(1)
    assert snapshot is not None
    replay.put(replace(snapshot, left_at=at, left_reason=reason), at)


def test_an_announced_reboot_has_its_own_limit() -> None:
    replay = a_replay()
    replay.play(stream([HEALTHY] * 3))
    goodbye(replay, "reboot", NOW + STEP * 3)
    replay.run_until(NOW + STEP * 3 + timedelta(minutes=14))
    assert replay.events == []
    replay.run_until(NOW + STEP * 3 + timedelta(minutes=16))
    (event,) = replay.events
    assert event.happened_at == NOW + STEP * 3 + timedelta(minutes=15)


def test_an_announced_upgrade_that_ends_in_time_is_never_told() -> None:
    replay = a_replay()
    replay.play(stream([HEALTHY] * 3))
    goodbye(replay, "upgrade", NOW + STEP * 3)
    replay.play(stream([HEALTHY] * 3, NOW + timedelta(minutes=4)))
    assert replay.events == []


def test_an_agent_that_was_stopped_without_a_reason_is_offline_at_once() -> None:
    replay = a_replay()
    replay.play(stream([HEALTHY] * 3))
    goodbye(replay, None, NOW + STEP * 3)
    assert kinds(replay.events) == ["opened"]


def test_backfilled_samples_never_alert_as_if_live() -> None:
    replay = a_replay()
    replay.play(stream([HEALTHY] * 3))
    back = NOW + timedelta(hours=2)
    old = [
        a_sample(payload=a_fast_payload(**BROKEN), collected_at=NOW + STEP * n, received_at=back) for n in range(3, 300)
    ]
    before = len(replay.events)
    for part in range(0, len(old), 50):
        at = back + timedelta(seconds=part / 50)
        replay.play([Message(1, at, old[part : part + 50])])
    replay.play(stream([HEALTHY] * 30, back + STEP))
    assert [one for one in replay.events if one.rule not in ("offline",)] == []
    assert kinds(replay.events[before:]) == ["opened", "closed"]


def test_a_host_whose_clock_is_off_does_not_flap() -> None:
    replay = a_replay()
    for index in range(120):
        at = NOW + STEP * index
        ahead = timedelta(minutes=4, seconds=index % 3)
        sample = a_sample(collected_at=at + ahead, received_at=at, observed_at=at, fresh_at=at)
        replay.play([Message(1, at, [replace(sample, clock_offset_seconds=ahead.total_seconds())])])
    assert [(event.rule, event.kind) for event in replay.events] == [("clock_offset", EventKind.OPENED)]


def test_a_clock_that_drifts_over_its_limit_and_back_is_one_alert() -> None:
    replay = a_replay()
    for index in range(400):
        at, offset = NOW + STEP * index, 62.0 - abs(index - 200) / 10
        sample = replace(a_sample(collected_at=at), clock_offset_seconds=offset)
        replay.play([Message(1, at, [sample])])
    assert len({event.alert_id for event in replay.events}) <= 1
    assert "flapping" not in kinds(replay.events)


def test_two_nodes_both_named_pve_with_equal_pools_and_vmids_keep_their_alerts_apart() -> None:
    """Two sites of one node each: names of nodes, pools and guests are the same; only the host tells them apart."""
    replay = a_replay("site-1", "site-2")
    same: dict[str, Any] = {"vms_runtime": {"vms": [a_guest(vmid=100), a_guest(vmid=101)]}, "node": "pve"}
    first = [BROKEN] * 5 + [HEALTHY] * 20
    second = [HEALTHY] * 3 + [BROKEN] * 22
    for index, payloads in enumerate(zip(first, second, strict=True)):
        for host_id, payload in enumerate(payloads, 1):
            replay.play([a_message(NOW + STEP * index, host_id, **same, **payload)])
    assert [(event.host_id, event.alert_id, event.kind) for event in replay.events] == [
        (1, 1, EventKind.OPENED),
        (2, 2, EventKind.OPENED),
        (1, 1, EventKind.CLOSED),
    ]


def test_what_never_alerted_is_never_said_to_be_over() -> None:
    replay = a_replay()
    replay.play(stream([HEALTHY, BROKEN] + [HEALTHY] * 30))
    assert replay.events == []


def test_a_host_that_comes_back_before_it_was_called_offline_is_not_said_to_be_back() -> None:
    replay = a_replay()
    replay.play(stream([HEALTHY] * 3))
    replay.play(stream([HEALTHY] * 3, NOW + timedelta(seconds=49)))
    assert replay.events == []


def test_a_host_that_says_the_same_need_not_be_looked_at_unless_samples_are_counted() -> None:
    replay, at = a_replay(), NOW
    kept: list[bool] = []
    for payloads in ([HEALTHY], [BROKEN], [HEALTHY], [BROKEN] * 60, [HEALTHY] * 2, [HEALTHY] * 60):
        replay.play(stream(payloads, at))
        at += STEP * len(payloads)
        (host,) = (state.snapshot for state in replay.engine._hosts.values())
        kept.append(replay.engine.keep(host, partial(evaluate, host, RULES, at), at))
    assert kept == [True, False, True, True, False, True]
    assert kinds(replay.events) == ["opened", "closed"]


def test_a_host_that_was_called_offline_is_looked_at_whatever_is_said_of_it() -> None:
    """The board may not have heard yet that its time was up, when the sample of another host moved the clock on."""
    replay = a_replay()
    replay.play(stream([HEALTHY] * 3))
    late = NOW + STEP * 5 + timedelta(microseconds=1)
    replay.run_until(late)
    assert kinds(replay.events) == ["opened"]
    host = replay.engine._hosts[1].snapshot
    for at in (late - timedelta(milliseconds=1), late):
        assert not replay.engine.keep(host, partial(evaluate, host, RULES, at), at)


def test_what_was_seen_before_the_last_look_is_looked_at() -> None:
    replay = a_replay()
    replay.play(stream([HEALTHY] * 3))
    host = replay.engine._hosts[1].snapshot
    for milliseconds, expected in ((-1, False), (0, True)):
        at = NOW + STEP * 2 + timedelta(milliseconds=milliseconds)
        assert replay.engine.keep(host, partial(evaluate, host, RULES, at), at) is expected


def test_an_open_alert_has_the_values_of_what_was_only_kept() -> None:
    old = {"health": "DEGRADED", "last_scrub_end": iso(NOW - timedelta(days=50))}
    for ask in (True, False):
        replay = a_replay()
        replay.play(stream([pools(a_pool(**old))] * 60))
        later = NOW + STEP * 60
        days = 50 + (later - NOW).total_seconds() / 86_400
        host = replay.engine._hosts[1].snapshot
        assert replay.engine.keep(host, partial(evaluate, host, RULES, later), later)
        if ask:
            (found,) = (one for one in replay.engine.list_alerts() if one.seen.rule == "scrub_age")
            assert found.seen.value == pytest.approx(days)
        told = [event for event in replay.engine.forget(1, later, "The host was deleted.") if event.rule == "scrub_age"]
        assert [(event.kind, event.value) for event in told] == [(EventKind.CLOSED, pytest.approx(days))]


def test_flapping_is_recognised_and_said_once() -> None:
    replay = a_replay()
    replay.play(stream([BROKEN, HEALTHY] * 40))
    assert kinds(replay.events) == ["flapping"]
    replay.play(stream([HEALTHY] * 60, NOW + STEP * 80))
    assert kinds(replay.events) == ["flapping", "steadied", "closed"]


def test_an_edited_threshold_counts_at_once_for_an_open_alert() -> None:
    replay = a_replay()
    replay.play(stream([FULL] * 10))
    edited = RuleSettings(capacity_warning_percent=88)
    replay.engine._judge = lambda host, at: evaluate(host, edited, at)  # pyright: ignore[reportPrivateUsage]
    events = replay.engine.reconsider(default_policies(edited), NOW + STEP * 10, "The rule was changed.")
    assert [(event.kind, event.detail) for event in events] == [(EventKind.CLOSED, "The rule was changed.")]
    assert replay.engine.list_alerts() == []


def edit(replay: Replay, edited: RuleSettings, now: datetime) -> list[AlertEvent]:
    replay.engine._judge = lambda host, at: evaluate(host, edited, at)  # pyright: ignore[reportPrivateUsage]
    return replay.engine.reconsider(default_policies(edited), now, "The rule was changed.")


def test_an_edited_threshold_ends_an_alert_also_just_below_it() -> None:
    replay = a_replay()
    replay.play(stream([FULL] * 10))
    assert kinds(edit(replay, RuleSettings(capacity_warning_percent=86), NOW + STEP * 10)) == ["closed"]


def test_an_edit_of_another_rule_ends_no_alert_that_has_not_cleared() -> None:
    replay = a_replay()
    replay.play(stream([FULL] * 10 + [pools(a_pool(capacity_percent=79))]))
    assert edit(replay, RuleSettings(scrub_max_days=90), NOW + STEP * 11) == []
    assert len(replay.engine.list_alerts()) == 1


def test_a_threshold_that_is_lowered_escalates_an_open_alert_once_it_held() -> None:
    replay = a_replay()
    replay.play(stream([FULL] * 10))
    edited = RuleSettings(capacity_critical_percent=84)
    replay.engine._judge = lambda host, at: evaluate(host, edited, at)  # pyright: ignore[reportPrivateUsage]
    now = NOW + STEP * 10
    assert replay.engine.reconsider(default_policies(edited), now, "The rule was changed.") == []
    replay._rules = edited  # pyright: ignore[reportPrivateUsage]
    replay.play(stream([FULL] * 10, now))
    assert kinds(replay.events) == ["opened", "escalated"]
    assert len({event.alert_id for event in replay.events}) == 1


def test_a_rule_that_is_switched_off_ends_its_alerts() -> None:
    replay = a_replay()
    replay.play(stream([BROKEN] * 10))
    off = RuleBook(RULES, [Entry(name, alert=False) for name in ("zpool_health", "zpool_errors")])
    events = replay.engine.reconsider(default_policies(off), NOW + STEP * 10, "")
    assert kinds(events) == ["closed"]


def test_the_alerts_of_a_deleted_host_end_with_it() -> None:
    replay = a_replay()
    replay.play(stream([BROKEN] * 10))
    assert kinds(replay.engine.forget(1, NOW, "The host was deleted.")) == ["closed"]
    assert replay.engine.list_alerts() == []


# Determinism.

PAYLOADS = st.sampled_from([HEALTHY, BROKEN, FULL, HALF, {"zfs_pools": {"error": "x"}}, {"zfs_pools": {"pools": []}}])
GAPS = st.sampled_from([10, 10, 10, 10, 25, 45, 400])


@given(st.lists(st.tuples(st.integers(1, 3), PAYLOADS, GAPS), min_size=1, max_size=60), st.data())
def test_batches_and_single_samples_give_the_same_alerts(rows: list[Any], data: st.DataObject) -> None:
    at, messages = NOW, list[Message]()
    for host_id, payload, gap in rows:
        messages.append(a_message(at, host_id, **payload))
        at += timedelta(seconds=gap / 3)
    whole, parts = a_replay("a", "b", "c"), a_replay("a", "b", "c")
    whole.play(messages)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(messages)), max_size=5)))
    for first, last in zip([0, *cuts], [*cuts, len(messages)], strict=True):
        parts.play(messages[first:last])
        if last:
            # Looking more often changes nothing.
            parts.run_until(messages[last - 1].received_at + timedelta(microseconds=data.draw(st.integers(0, 10**6))))
    for one in (whole, parts):
        one.run_until(at + timedelta(hours=1))
    assert whole.events == parts.events
    assert whole.engine.list_alerts() == parts.engine.list_alerts()


def test_no_text_of_an_alert_is_longer_than_a_page_shows() -> None:
    long = an_opened_alert(subject="s" * 100_000, message="m" * 100_000, value="v" * 100_000)
    assert {len(str(text)) for text in (long.subject, long.message, long.value)} == {2_000}


def test_subjects_that_come_and_go_do_not_add_up() -> None:
    replay = a_replay()
    for index in range(5):
        names = [f"p{index}-{one}" for one in range(600)]
        replay.play([a_message(NOW + STEP * index, **pools(*(a_pool(name=one, health="DEGRADED") for one in names)))])
    tracks = replay.engine._hosts[1].tracks
    assert len(tracks) == 600 + MAX_QUIET
    assert {subject.partition("-")[0] for _, subject in tracks} == {"p4", "p3", "p2"}
