"""The statuses behind a host's charts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from dashboards.chart_statuses import MOST_CHANGES, ChartStatuses
from dashboards.host import HostPage
from proxmon.errors import StoreUnavailableError
from proxmon.events import STATUS_KINDS, Event, EventRequest
from tests.builders import NOW, a_snapshot
from tests.dashboards.parts import a_monitor
from tests.dashboards.test_timeline import an_event

HOUR = timedelta(hours=1)
WISH = {"to": "charts", "kind": "statuses", "id": 4, "seconds": 3600}


def answered(before: list[Event], changes: list[Event], wish: dict[str, Any] = WISH) -> dict[str, Any]:
    async def read(request: EventRequest) -> list[Event]:
        assert request.kinds == STATUS_KINDS
        assert (request.host, request.known_at) == ("pve-01", NOW)
        return before if request.since is None else changes

    return asyncio.run(ChartStatuses(read, "pve-01", NOW).answer(wish, NOW))


def test_the_changes_of_a_span_come_in_order_with_what_was_before() -> None:
    back = an_event("online", was="offline", became="ok", happened_at=NOW - HOUR / 4, started_at=NOW - HOUR / 2)
    gone = an_event("offline", was="ok", became="offline", message="No sample for 30 s", happened_at=NOW - HOUR / 2)
    answer = answered([an_event(became="ok")], [back, gone])
    assert (answer["id"], answer["first"]) == (4, "ok")
    assert [one["status"] for one in answer["changes"]] == ["offline", "ok"]
    assert answer["changes"][0]["words"] == "Offline. No sample for 30 s"
    assert answer["changes"][0]["shown_at"] == "2026-11-22T19:30:00Z"


def test_what_was_before_more_changes_than_are_drawn_is_not_known() -> None:
    assert answered([an_event(became="offline")], [an_event(became="ok")] * MOST_CHANGES)["first"] is None
    assert answered([], [])["first"] is None


@pytest.mark.parametrize("wish", [{"seconds": "many"}, {"since": {}, "until": 0}, {}])
def test_charts_go_without_statuses_that_cannot_be_read(wish: dict[str, Any]) -> None:
    assert answered([], [an_event()], {"id": 1} | wish)["changes"] == []

    async def fail(request: EventRequest) -> list[Event]:
        raise StoreUnavailableError("The store is being opened.")

    assert asyncio.run(ChartStatuses(fail, "pve-01", None).answer(WISH, NOW))["changes"] == []


def test_a_change_of_status_is_told_to_the_open_charts() -> None:
    monitor = a_monitor(a_snapshot())
    page = HostPage(monitor=monitor, host_name="pve-01")
    page.context()
    monitor.recorder.tell(an_event(was="ok", became="critical", message="rpool is DEGRADED"))
    (changes,) = [one["changes"] for one in page.refresh(None) if one["to"] == "charts"]
    assert [(one["status"], one["words"]) for one in changes] == [("critical", "Now critical. rpool is DEGRADED")]
    monitor.recorder.tell(an_event("rotated"))
    assert [one for one in page.refresh(None) if one["to"] == "charts"] == []
