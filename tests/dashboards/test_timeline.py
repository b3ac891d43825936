"""The list of events: its words, what it asks the store, and what it tells an open page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from dashboards.event_rows import SENTENCES, event_row
from dashboards.events import EventsPage
from dashboards.host import HostPage
from dashboards.timeline import FLEET_PAGE, GROUPS, HOST_PAGE, Timeline
from proxmon.errors import StoreUnavailableError
from proxmon.events import KIND_GROUPS, Event, EventKind, EventRequest
from proxmon.recorder import RECENT_EVENTS
from tests.builders import NOW, a_snapshot
from tests.dashboards.parts import a_monitor

HOUR = timedelta(hours=1)


def an_event(kind: str = "status", **changes: Any) -> Event:
    values: dict[str, Any] = {"host_id": 1, "happened_at": NOW, "kind": EventKind(kind), "host": "pve-01"}
    return Event(**(values | changes))


def sentence(kind: str, **changes: Any) -> str:
    row = event_row(an_event(kind, **changes))
    return " | ".join(part for part in (row["title"], row["words"], row["was"]) if part)


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("status", {"became": "critical", "message": "rpool is DEGRADED"}, "Now critical | rpool is DEGRADED"),
        (
            "status",
            {"was": "critical", "became": "ok", "message": "Every rule passes", "started_at": NOW - 3 * HOUR},
            "Now ok | Every rule passes | was critical for 3 h",
        ),
        ("online", {"was": "offline", "became": "ok", "message": "Every rule passes"}, "Connected"),
        (
            "online",
            {"was": "offline", "became": "warning", "message": "3 updates", "started_at": NOW - HOUR / 60},
            "Back online, warning | 3 updates | was offline for 1 min",
        ),
        ("online", {"was": "offline", "became": "ok", "started_at": NOW}, "Back online"),
        (
            "offline",
            {"was": "ok", "became": "offline", "message": "No sample for 30 s", "started_at": NOW - HOUR},
            "Offline | No sample for 30 s",
        ),
        ("offline", {"message": "The agent was stopped 0 s ago"}, "Offline | The agent was stopped"),
        (
            "finding",
            {"rule": "collection", "subject": "zfs_pools", "was": "warning", "message": "zfs_pools is collected again"},
            "Collection: over | zfs_pools is collected again",
        ),
        (
            "finding",
            {"rule": "zpool_health", "was": "unknown", "message": "It can be judged again"},
            "Zpool health: known again | It can be judged again",
        ),
        (
            "finding",
            {"rule": "zpool_health", "was": "ok", "became": "critical", "message": "rpool is DEGRADED"},
            "Zpool health: critical | rpool is DEGRADED",
        ),
        ("finding", {"rule": "clock_offset", "message": "No clock"}, "Clock: known again | No clock"),
        (
            "scrub",
            {"subject": "rpool", "message": "Scrub finished after 3 h without errors", "started_at": NOW - 3 * HOUR},
            "Scrub finished after 3 h without errors | on rpool",
        ),
        ("agent", {"was": "0.1.0", "became": "0.2.0", "message": "other"}, "Agent replaced | 0.1.0 → 0.2.0"),
        ("guest_appeared", {"subject": "qemu/100", "message": "web-01"}, "web-01 appeared | VM 100"),
        ("guest_vanished", {"subject": "lxc/7", "message": "dns"}, "dns is gone | CT 7"),
        (
            "guest_moved",
            {"subject": "qemu/100", "message": "web-01", "was": "pve-01", "became": "pve-02"},
            "web-01 moved from pve-01 to pve-02 | VM 100",
        ),
        (
            "guest_address",
            {"subject": "qemu/100", "message": "web-01", "was": "10.0.0.1", "became": ""},
            "web-01 has other addresses | VM 100 · 10.0.0.1 → none",
        ),
        ("goodbye", {"message": "reboot"}, "Host restarts"),
        ("goodbye", {"message": ""}, "Agent stopped"),
        ("rotated", {}, "Token rotated"),
    ],
)  # fmt: skip
def test_an_event_is_told_in_words(kind: str, changes: dict[str, Any], words: str) -> None:
    assert sentence(kind, **changes) == words


def test_every_kind_has_words_and_a_group_with_a_name() -> None:
    assert set(SENTENCES) == set(EventKind)
    assert set(GROUPS) == set(KIND_GROUPS)


def test_a_row_leads_to_the_first_second_at_which_the_event_was_known() -> None:
    late = an_event(recorded_at=NOW + timedelta(seconds=2.25))
    assert event_row(late)["shown_at"] == "2026-11-22T20:00:03Z"
    assert event_row(an_event())["shown_at"] == "2026-11-22T20:00:00Z"


def test_two_events_of_one_moment_have_keys_of_their_own() -> None:
    findings = [an_event("finding", rule="zpool_health", subject=pool, became="ok") for pool in ("rpool", "tank")]
    assert len({event_row(event)["key"] for event in findings}) == 2


def answered(timeline: Timeline, **wish: Any) -> dict[str, Any]:
    return asyncio.run(timeline.answer({"to": "timeline", "id": 3, "group": "all"} | wish))


def a_timeline(events: Sequence[Event] = (), host: str = "", at: Any = None) -> tuple[Timeline, list[EventRequest]]:
    asked: list[EventRequest] = []
    monitor = a_monitor(a_snapshot())

    async def listed(request: EventRequest) -> list[Event]:
        asked.append(request)
        return list(events)

    monitor.events = listed
    return Timeline(monitor, host, at), asked


def test_a_host_s_page_asks_for_its_own_events_whatever_the_browser_says() -> None:
    timeline, asked = a_timeline(host="pve-01", at=NOW)
    answered(timeline, host="pve-02", group="scrubs", until="2026-11-22T19:00:00.000001+00:00")
    (request,) = asked
    assert (request.host, request.kinds, request.limit) == ("pve-01", KIND_GROUPS["scrubs"], HOST_PAGE)
    assert request.until == NOW - HOUR + timedelta(microseconds=1)
    assert request.known_at == NOW


def test_a_full_page_says_where_to_go_on_and_the_last_one_does_not() -> None:
    few, _ = a_timeline([an_event()])
    assert answered(few)["until"] is None
    many, _ = a_timeline([an_event(happened_at=NOW - number * HOUR) for number in range(FLEET_PAGE)])
    assert answered(many)["until"] == (NOW - (FLEET_PAGE - 1) * HOUR).isoformat()


@pytest.mark.parametrize("until", ["yesterday", 7, {"a": 1}])
def test_a_wish_that_makes_no_sense_fails_in_words(until: object) -> None:
    timeline, _ = a_timeline()
    assert "could not be read" in answered(timeline, until=until)["failed"]


def test_a_store_that_cannot_answer_is_told_in_its_words() -> None:
    timeline, _ = a_timeline()

    async def fail(request: EventRequest) -> list[Event]:
        raise StoreUnavailableError("The store is being opened.")

    timeline.monitor.events = fail  # type: ignore[misc]
    assert answered(timeline)["failed"] == "The store is being opened."


def test_new_events_are_told_once_and_only_to_their_host_s_page() -> None:
    monitor = a_monitor(a_snapshot())
    pages = [HostPage(monitor=monitor, host_name=name) for name in ("pve-01", "pve-02")]
    fleet = EventsPage(monitor=monitor)
    for page in (*pages, fleet):
        page.context()
    monitor.recorder.tell(an_event())
    told = [[one for one in page.refresh(None) if one["to"] == "timeline"] for page in (*pages, fleet)]
    assert [len(messages) for messages in told] == [1, 0, 1]
    assert told[0][0]["new"][0]["host"] == "pve-01"
    assert list(fleet.refresh(None)) == []


def test_a_page_that_missed_more_than_is_remembered_asks_again() -> None:
    page = EventsPage(monitor=a_monitor(a_snapshot()))
    page.context()
    for number in range(RECENT_EVENTS + 1):
        page.monitor.recorder.tell(an_event(happened_at=NOW + number * HOUR))
    assert list(page.refresh(None)) == [{"to": "timeline", "stale": True}]


def test_a_past_page_is_told_nothing_new() -> None:
    page = EventsPage(monitor=a_monitor(a_snapshot()), at=NOW - HOUR)
    page.context()
    page.monitor.recorder.tell(an_event())
    assert list(page.refresh(None)) == []
