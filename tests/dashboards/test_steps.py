"""Steps to the previous and the next event."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from dashboards.alerts import AlertsPage
from dashboards.host import HostPage
from dashboards.steps import Steps
from proxmon.errors import StoreUnavailableError
from proxmon.events import StepRequest
from tests.builders import NOW, a_snapshot
from tests.dashboards.parts import a_monitor

SECOND = timedelta(seconds=1)
LATER = NOW + timedelta(hours=1)


def stepped(step: str, found: datetime | None, at: datetime | None = NOW) -> tuple[dict[str, Any], StepRequest]:
    asked: list[StepRequest] = []

    async def find(request: StepRequest) -> datetime | None:
        asked.append(request)
        return found

    answer = asyncio.run(Steps(find, "pve-01", at).answer({"step": step}, LATER))
    return answer, asked[0]


def test_a_step_leads_to_the_second_at_which_the_event_was_known() -> None:
    answer, request = stepped("next", NOW + 0.25 * SECOND)
    assert answer == {"to": "travel", "at": (NOW + SECOND).timestamp()}
    assert request == StepRequest(NOW, is_forward=True, host="pve-01")


def test_a_step_back_passes_over_what_the_page_shows_already() -> None:
    _, request = stepped("previous", NOW - SECOND)
    assert request == StepRequest(NOW - SECOND, is_forward=False, host="pve-01")
    _, request = stepped("previous", NOW, at=NOW + 0.5 * SECOND)
    assert request.at == NOW


def test_a_live_page_steps_back_to_what_its_address_can_name() -> None:
    answer, request = stepped("previous", LATER - 5 * SECOND, at=None)
    assert request.at == LATER
    assert answer["at"] == (LATER - 5 * SECOND).timestamp()


@pytest.mark.parametrize("found", [None, LATER + 0.5 * SECOND])
def test_after_the_last_event_comes_the_present(found: datetime | None) -> None:
    assert stepped("next", found)[0] == {"to": "travel", "live": True}


def test_before_the_first_event_there_is_nothing() -> None:
    assert stepped("previous", None)[0]["fault"] == "Nothing was recorded before."


def test_a_store_that_cannot_answer_is_told_in_its_words() -> None:
    async def fail(request: StepRequest) -> datetime | None:
        raise StoreUnavailableError("The store is being opened.")

    answer = asyncio.run(Steps(fail, None, NOW).answer({"step": "next"}, LATER))
    assert answer["fault"] == "The store is being opened."


def test_a_host_s_page_steps_through_its_own_events_and_others_through_all() -> None:
    monitor = a_monitor(a_snapshot())
    assert HostPage(monitor=monitor, host_name="pve-01").stepped_host == "pve-01"
    assert AlertsPage(monitor=monitor).stepped_host is None
