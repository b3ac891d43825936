"""Events: what judgements and samples change, told once and at its own time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from proxmon.board import Board
from proxmon.bus import Bus
from proxmon.config import RuleSettings
from proxmon.events import QUIET_SUBJECTS, Event, EventKind, Mark, Recorded
from proxmon.findings import Finding, Status, Verdict
from proxmon.fleet import Fleet, HostSnapshot
from proxmon.recorder import Recorder
from proxmon.samples import Sample
from tests.builders import (
    NOW,
    a_fast_payload,
    a_guest,
    a_host,
    a_medium_payload,
    a_pool,
    a_sample,
    a_slow_payload,
    iso,
)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TICK = timedelta(microseconds=1)


class Story:
    """Hosts whose time passes, with the events that were recorded of them."""

    def __init__(self, *hosts: HostSnapshot, listening_since: datetime = NOW) -> None:
        self.now, self.stored = listening_since, list[Event]()
        self.recorder = Recorder(self, RuleSettings(), lambda: self.now)
        given = hosts or (HostSnapshot(a_host()),)
        for host in given:
            self.recorder.resume(host, [], [], host)
        self.board = Board(Fleet(given), RuleSettings(), Bus(), lambda: self.now, self.recorder)

    def append_events(self, events: Sequence[Event]) -> None:
        self.stored += events

    def pass_time(self, span: timedelta) -> Story:
        end = self.now + span
        while self.now < end:
            self.now += SECOND
            self.recorder.tick(self.now)
            self.board.tick()
        return self

    def hear(self, *samples: Sample) -> Story:
        for sample in samples:
            self.now = max(self.now, sample.received_at)
            self.board.accept(sample.host_id, [sample], sample.received_at)
        return self

    def told(self, *kinds: EventKind) -> list[Event]:
        return [event for event in self.stored if event.kind in kinds]

    def recorded(self, host_id: int = 1) -> Recorded:
        judged = self.board.find(host_id)
        assert judged is not None
        assert judged.snapshot.recorded is not None
        return judged.snapshot.recorded


def fast(second: float = 0, host_id: int = 1, late: float = 0, **sections: Any) -> Sample:
    """Return a fast sample of so many seconds from now."""
    at = NOW + second * SECOND
    changes = {"collected_at": at, "received_at": at + late * SECOND}
    return a_sample(host_id, payload=a_fast_payload(**sections), **changes)


def pools(*changed: dict[str, Any]) -> dict[str, Any]:
    return {"zfs_pools": {"pools": [a_pool(**changes) for changes in changed]}}


def guests(*vmids: int) -> dict[str, Any]:
    return {"vms_runtime": {"vms": [a_guest(vmid=vmid, name=f"web-{vmid}") for vmid in vmids]}}


def test_the_first_sample_of_a_host_brings_it_online() -> None:
    [event] = Story().hear(fast()).stored
    assert (event.kind, event.was, event.became, event.happened_at) == (EventKind.ONLINE, "offline", "ok", NOW)


def test_a_host_that_never_connected_tells_nothing() -> None:
    assert Story().pass_time(MINUTE).stored == []


def test_a_host_that_goes_on_as_it_is_tells_nothing_more() -> None:
    story = Story().hear(*(fast(second) for second in range(0, 100, 10)))
    assert len(story.stored) == 1


def test_a_status_changes_with_the_sample_that_tells_of_it() -> None:
    story = Story().hear(fast(), fast(10, **pools({"health": "DEGRADED"})))
    status, finding = story.stored[1:]
    assert (status.kind, status.was, status.became) == (EventKind.STATUS, "ok", "critical")
    assert (finding.kind, finding.rule, finding.subject, finding.became) == (
        EventKind.FINDING,
        "zpool_health",
        "rpool",
        "critical",
    )
    assert status.happened_at == finding.happened_at == NOW + 10 * SECOND
    assert "rpool is DEGRADED" in status.message


def test_a_finding_ends_when_it_passes_again() -> None:
    bad, good = pools({"capacity_percent": 95}), pools({"capacity_percent": 50})
    ended = Story().hear(fast(), fast(10, **bad), fast(20, **good)).told(EventKind.FINDING)[-1]
    assert (ended.was, ended.became, ended.started_at) == ("critical", "ok", NOW + 10 * SECOND)
    assert ended.duration_seconds == 10


def test_each_subject_has_its_own_events() -> None:
    two = pools({"capacity_percent": 95}, {"name": "tank", "capacity_percent": 85})
    told = Story().hear(fast(), fast(10, **two)).told(EventKind.FINDING)
    assert {(event.subject, event.became) for event in told} == {("rpool", "critical"), ("tank", "warning")}


def test_a_subject_that_is_gone_ends_its_finding() -> None:
    two = pools({}, {"name": "tank", "capacity_percent": 85})
    ended = Story().hear(fast(0, **two), fast(10, **pools({}))).told(EventKind.FINDING)[-1]
    assert (ended.subject, ended.was, ended.became) == ("tank", "warning", None)
    assert ended.message == "tank is not there any more"


def test_a_section_that_failed_once_is_said_to_be_collected_again() -> None:
    failed = fast(10, zfs_pools={"error": "no zpool"})
    ended = [one for one in Story().hear(fast(), failed, fast(20)).told(EventKind.FINDING) if one.became is None]
    assert {one.rule: one.message for one in ended}["collection"] == "zfs_pools is collected again"


def test_a_section_that_failed_leaves_its_findings_open() -> None:
    story = Story().hear(fast(0, **pools({"capacity_percent": 95})), fast(10, zfs_pools={"error": "no zpool"}))
    assert story.recorded().verdict("zpool_capacity", "rpool") == "critical"
    assert story.recorded().verdict("zpool_capacity", "") == "unknown"


def test_silence_is_told_just_when_it_is_too_long() -> None:
    [event] = Story().hear(fast()).pass_time(MINUTE).told(EventKind.OFFLINE)
    assert event.happened_at == NOW + 30 * SECOND + TICK
    assert (event.was, event.became, event.started_at) == ("ok", "offline", NOW)


def test_an_outage_ends_no_finding() -> None:
    bad = pools({"capacity_percent": 95})
    story = Story().hear(fast(0, **bad)).pass_time(MINUTE).hear(fast(90, **bad))
    assert len(story.told(EventKind.FINDING)) == 1
    assert [event.kind for event in story.stored if event.kind is not EventKind.FINDING] == [
        EventKind.ONLINE,
        EventKind.OFFLINE,
        EventKind.ONLINE,
    ]


def test_time_alone_makes_a_finding_at_its_moment() -> None:
    scrubbed = {"last_scrub_end": iso(NOW - timedelta(days=35) + 15 * SECOND), "scan": None}
    story = Story().hear(fast(0, **pools(scrubbed)), fast(10, **pools(scrubbed))).pass_time(12 * SECOND)
    [event] = story.told(EventKind.FINDING)
    assert (event.rule, event.happened_at) == ("scrub_age", NOW + 15 * SECOND + TICK)


def online_before(seen_at: datetime) -> HostSnapshot:
    """Return a host that was recorded as ok and last heard of at a moment."""
    recorded = Recorded(Status.OK, seen_at, seen_at, seen_at)
    host = HostSnapshot(a_host(), recorded=recorded)
    return host.with_samples([a_sample(collected_at=seen_at)], seen_at)


def test_a_restart_tells_nothing_of_a_host_that_goes_on() -> None:
    story = Story(online_before(NOW - 5 * MINUTE)).pass_time(20 * SECOND).hear(fast(20)).pass_time(5 * SECOND)
    assert story.told(EventKind.ONLINE, EventKind.OFFLINE, EventKind.STATUS) == []


def test_after_a_restart_a_silent_host_is_offline_when_it_was_listened_for_long_enough() -> None:
    [event] = Story(online_before(NOW - 5 * MINUTE)).pass_time(3 * MINUTE).told(EventKind.OFFLINE)
    assert event.happened_at == NOW + 120 * SECOND + TICK
    assert event.started_at == NOW - 5 * MINUTE


def test_a_server_that_stood_still_has_not_heard_silence() -> None:
    story = Story().hear(fast())
    story.now += 5 * MINUTE - SECOND
    story.pass_time(SECOND)
    story.hear(fast(301))
    assert story.told(EventKind.OFFLINE) == []


def test_a_goodbye_is_told_at_once_also_after_a_restart() -> None:
    story = Story(online_before(NOW - MINUTE))
    story.board.put(HostSnapshot(a_host(), left_at=NOW, last_seen_at=NOW - MINUTE, recorded=story.recorded()), NOW)
    assert [event.happened_at for event in story.told(EventKind.OFFLINE)] == [NOW]


def test_what_a_crash_kept_from_being_recorded_is_told_at_the_next_start() -> None:
    before, late = online_before(NOW), fast(10, **pools({"health": "FAULTED"}))
    story = Story(before)
    story.recorder.resume(before.with_samples([late], late.received_at), [late], [], before)
    assert [(event.kind, event.happened_at) for event in story.stored] == [
        (EventKind.STATUS, late.received_at),
        (EventKind.FINDING, late.received_at),
    ]


def test_what_was_recorded_before_a_crash_is_not_told_again() -> None:
    before, late = online_before(NOW), fast(10, **pools({"health": "FAULTED"}), **guests(100, 101))
    first, second = Story(before), Story(before)
    after = before.with_samples([late], late.received_at)
    first.recorder.resume(after, [late], [], before)
    second.recorder.resume(after, [late], first.stored, before)
    assert first.stored
    assert second.stored == []


def test_what_waits_for_its_sample_is_not_looked_at_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, before, samples = list[Event](), online_before(NOW), [fast(second) for second in range(1, 51)]
    events = [Event(1, sample.received_at, EventKind.GUEST_APPEARED, subject="qemu/100") for sample in samples]

    def ask(event: Event) -> datetime:
        asked.append(event)
        return event.happened_at

    monkeypatch.setattr(Event, "known_at", property(ask))
    Story(before).recorder.resume(before.with_samples(samples, NOW + MINUTE), samples, events, before)
    assert len(events) < len(asked) < 4 * len(events)


def test_guests_that_come_and_go_are_told() -> None:
    story = Story().hear(fast(0, **guests(100)), fast(10, **guests(100, 101)), fast(20, **guests(101)))
    told = story.told(EventKind.GUEST_APPEARED, EventKind.GUEST_VANISHED)
    assert [(event.kind, event.subject, event.happened_at) for event in told] == [
        (EventKind.GUEST_APPEARED, "qemu/101", NOW + 10 * SECOND),
        (EventKind.GUEST_VANISHED, "qemu/100", NOW + 20 * SECOND),
    ]


def test_an_incomplete_list_of_guests_tells_of_no_change() -> None:
    incomplete = {"vms_runtime": {"vms": [], "incomplete": "lxc failed"}}
    story = Story().hear(fast(0, **guests(100)), fast(10, **incomplete), fast(20, **guests(100, 101)))
    assert [event.subject for event in story.stored if event.kind.startswith("guest_")] == ["qemu/101"]


def test_a_late_sample_makes_no_event() -> None:
    story = Story().hear(fast(0, **guests(100)), fast(60, **guests(100)))
    story.hear(fast(30, late=40, **guests(100, 101), **pools({"health": "FAULTED"})))
    assert story.told(EventKind.GUEST_APPEARED, EventKind.STATUS, EventKind.FINDING) == []


@pytest.mark.parametrize("first", ["there", "here"])
def test_a_guest_that_leaves_one_host_and_appears_on_another_has_moved(first: str) -> None:
    story = Story(HostSnapshot(a_host()), HostSnapshot(a_host(id=2, name="pve-02")))
    story.hear(fast(0, 1, **guests(100)), fast(0, 2, **guests(200)))
    gone, came = fast(10, 1, **guests()), fast(10, 2, **guests(100, 200))
    story.hear(*((gone, came) if first == "here" else (came, gone)))
    [moved] = story.told(EventKind.GUEST_MOVED)
    assert (moved.host_id, moved.subject, moved.was, moved.became) == (2, "qemu/100", "pve-01", "pve-02")
    assert story.told(EventKind.GUEST_APPEARED) == []


def test_a_guest_of_the_same_id_in_another_cluster_has_not_moved() -> None:
    def slow(host_id: int, cluster: str) -> Sample:
        system = a_slow_payload()["system_info"] | {"cluster": cluster}
        return a_sample(host_id, tier="slow", payload={"system_info": system})

    story = Story(HostSnapshot(a_host()), HostSnapshot(a_host(id=2, name="pve-02")))
    story.hear(slow(1, "red"), slow(2, "blue"), fast(0, 1, **guests(100)), fast(0, 2, **guests()))
    story.hear(fast(10, 1, **guests()), fast(10, 2, **guests(100)))
    assert story.told(EventKind.GUEST_MOVED) == []


def test_other_addresses_of_a_guest_are_told_and_missing_ones_are_not() -> None:
    def medium(second: int, ips: list[str] | None) -> Sample:
        detail = {"vms": [{"vmid": 100, "type": "qemu", "name": "web-100", "ips": ips}]}
        return a_sample(tier="medium", payload=a_medium_payload(vms_detail=detail), collected_at=NOW + second * SECOND)

    story = Story().hear(fast(0, **guests(100)), medium(1, ["10.0.0.1"]), medium(2, None), medium(3, []))
    assert story.told(EventKind.GUEST_ADDRESS) == []
    [event] = story.hear(medium(4, ["10.0.0.2", "fe80::1"])).told(EventKind.GUEST_ADDRESS)
    assert (event.was, event.became, event.message) == ("10.0.0.1", "10.0.0.2", "web-100")


def test_a_scrub_has_a_start_an_end_a_duration_and_a_result() -> None:
    start, end = NOW + 12 * SECOND, NOW + 7 * MINUTE
    running = {"scan": {"function": "scrub", "state": "scanning", "percent": 1, "start_at": iso(start)}}
    done = {"scan": {"function": "scrub", "state": "finished", "errors": 2, "end_at": iso(end)}}
    story = Story().hear(fast(10), fast(20, **pools(running)), fast(415, **pools(running)), fast(425, **pools(done)))
    began, ended = story.told(EventKind.SCRUB)
    assert (began.became, began.happened_at, began.recorded_at) == ("scanning", start, NOW + 20 * SECOND)
    assert (ended.became, ended.started_at, ended.happened_at) == ("finished", start, end)
    assert ended.duration_seconds == (end - start).total_seconds()
    assert ended.message == "Scrub finished after 6 min with 2 errors"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(7200, "Scrub finished after 2 h without errors"), (1e18, "Scrub finished without errors")],
)
def test_a_scrub_that_ran_unseen_has_the_duration_that_the_host_tells(seconds: float, words: str) -> None:
    end = NOW + 300 * SECOND
    done = {"function": "scrub", "state": "finished", "errors": 0, "end_at": iso(end), "duration_seconds": seconds}
    [ended] = Story().hear(fast(), fast(310, **pools({"scan": done}))).told(EventKind.SCRUB)
    assert (ended.happened_at, ended.message) == (end, words)


def test_a_scrub_that_was_there_from_the_first_is_not_new() -> None:
    assert Story().hear(fast(), fast(10)).told(EventKind.SCRUB) == []


def test_an_upgrade_of_the_agent_is_told() -> None:
    newer = a_sample(collected_at=NOW + 10 * SECOND, agent_version="0.2.0")
    [event] = Story().hear(fast(), newer).told(EventKind.AGENT)
    assert (event.was, event.became) == ("0.1.0", "0.2.0")


def a_finding(verdict: Verdict, rule: str = "zpool_capacity") -> Finding:
    return Finding(rule, verdict, "", "", "")


def test_a_finding_is_as_old_as_the_first_subject_with_its_verdict() -> None:
    marks = {("zpool_capacity", "a"): Mark("warning", NOW), ("zpool_capacity", "b"): Mark("warning", NOW + MINUTE)}
    recorded = Recorded(Status.WARNING, NOW, NOW, NOW - MINUTE, marks)
    assert recorded.find_since(a_finding(Verdict.WARNING)) == NOW


def test_a_rule_passes_since_its_last_finding_ended_or_since_it_is_judged() -> None:
    recorded = Recorded(Status.OK, NOW, NOW, NOW, {("zpool_capacity", "a"): Mark("ok", NOW + MINUTE)})
    assert recorded.find_since(a_finding(Verdict.OK)) == NOW + MINUTE
    assert recorded.find_since(a_finding(Verdict.OK, "zpool_health")) == NOW


def test_of_an_offline_host_nothing_is_known_since_it_fell_silent() -> None:
    recorded = Recorded(Status.OFFLINE, NOW, NOW - MINUTE, NOW - MINUTE)
    assert recorded.find_since(a_finding(Verdict.UNKNOWN)) == NOW
    assert recorded.find_since(a_finding(Verdict.OFFLINE, "offline")) == NOW


def test_a_host_that_is_silent_and_not_recorded_so_yet_is_offline_since_nobody_knows() -> None:
    recorded = Recorded(Status.WARNING, NOW, NOW - MINUTE, NOW - MINUTE)
    assert recorded.find_since(a_finding(Verdict.OFFLINE, "offline")) is None


def test_no_text_of_an_event_is_longer_than_a_page_shows() -> None:
    long = "x" * 3_000_000
    event = Event(1, NOW, EventKind.GUEST_ADDRESS, subject=long, was=long, became="short", message=long)
    assert [len(text or "") for text in (event.subject, event.was, event.became, event.message)] == [
        2_000,
        2_000,
        5,
        2_000,
    ]
    assert event.message.endswith("x…")


def test_subjects_that_come_and_go_do_not_add_up() -> None:
    story = Story()
    for second in range(0, 100, 10):
        story.hear(fast(second, **pools(*({"name": f"p{second}-{one}", "health": "DEGRADED"} for one in range(300)))))
    marks = [mark for (rule, _), mark in story.recorded().verdicts.items() if rule == "zpool_health"]
    assert sum(mark.verdict == "critical" for mark in marks) == 300
    assert sum(mark.verdict is None for mark in marks) == QUIET_SUBJECTS
    assert min(mark.since for mark in marks) > NOW + 50 * SECOND


def test_a_subject_that_is_long_gone_fails_anew_once() -> None:
    story = Story().hear(fast(**pools({"name": "old", "health": "DEGRADED"})))
    for second in range(10, 60, 10):
        story.hear(fast(second, **pools(*({"name": f"p{second}-{one}", "health": "DEGRADED"} for one in range(300)))))
    assert ("zpool_health", "old") not in story.recorded().verdicts
    story.stored.clear()
    for second in (60, 70):
        story.hear(fast(second, **pools({"name": "old", "health": "DEGRADED"})))
    told = [event for event in story.told(EventKind.FINDING) if event.subject == "old"]
    assert [(event.rule, event.was, event.became) for event in told] == [("zpool_health", None, "critical")]
