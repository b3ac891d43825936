"""The page of alerts without a browser: its rows, what a change sends, and the header's counts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from dashboards.alert_rows import alert_counts, alert_row, measured
from dashboards.alerts import AlertsPage
from dashboards.live import BEAT_SECONDS
from dashboards.overview import OverviewPage
from proxmon.alerts.channels import Channel
from proxmon.alerts.records import follow
from proxmon.bus import Changes
from tests.builders import NOW, a_fast_payload, a_host, a_pool, a_sample, a_snapshot, an_opened_alert
from tests.dashboards.parts import a_monitor

BROKEN = a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED")]})
OPENED = an_opened_alert(alert_id=7)


@pytest.fixture
def monitor() -> Any:
    made = a_monitor(a_snapshot(host=a_host(name="pve-01")))
    for seconds in (10, 20, 30):
        at = NOW + timedelta(seconds=seconds)
        made.board.accept(1, [a_sample(payload=BROKEN, collected_at=at)], at)
    return made


def test_a_row_tells_what_where_since_when_value_and_threshold() -> None:
    row = alert_row(follow(None, OPENED), "pve-01", NOW)
    assert (row["host"], row["message"], row["measured"]) == ("pve-01", "tank is 85 % full", "85 %")
    assert (row["threshold"], row["clears_when"], row["state"]) == ("warning from 80 %", "Delete `data`.", "open")
    assert row["began"] < row["opened"]
    assert [event["title"] for event in row["events"]] == ["Opened"]


def test_the_page_says_which_channels_are_paused_and_no_longer_when_they_are_resumed(monitor: Any) -> None:
    channel = Channel(1, "phone", "test://x", "Test", NOW)
    channels = [replace(channel, paused_at=NOW), replace(channel, name="mail")]
    monitor.channels.list_channels = lambda: channels
    page = AlertsPage(monitor=monitor)
    part: Any = page.context()["alerts"]
    assert part.state["note"] == "Messages wait: the channel phone is paused."
    channels[0] = channel
    (message,) = page.refresh(None)
    assert message["note"] == ""
    assert all("note" not in message for message in page.refresh(None))


def test_a_row_does_not_say_how_long_ago_a_host_fell_silent_when_the_alert_opened() -> None:
    silent = replace(OPENED, rule="offline", subject="", message="The agent was stopped 0 s ago")
    assert alert_row(follow(None, silent), "pve-01", NOW)["message"] == "The agent was stopped"
    assert alert_row(follow(None, replace(silent, rule="x")), "pve-01", NOW)["message"].endswith("0 s ago")


def test_a_deleted_host_s_alert_leads_nowhere() -> None:
    row = alert_row(follow(None, OPENED), None, NOW)
    assert (row["host"], row["is_linked"]) == ("", False)


def test_words_are_measured_as_they_are() -> None:
    assert measured(replace(OPENED, value="DEGRADED", unit="")) == "DEGRADED"
    assert measured(replace(OPENED, rule="offline", value=300.0)) == ""


def test_the_page_shows_the_open_alert_and_sends_what_changes(monitor: Any) -> None:
    page = AlertsPage(monitor=monitor)
    (row,) = page.context()["alerts"].state["rows"]  # pyright: ignore[reportAttributeAccessIssue]
    assert (row["host"], row["label"], row["state"]) == ("pve-01", "Zpool health", "open")
    assert list(page.refresh(Changes(frozenset({1})))) == []
    for seconds in range(40, 200, 10):
        at = NOW + timedelta(seconds=seconds)
        monitor.board.accept(1, [a_sample(collected_at=at)], at)
    (message,) = page.refresh(Changes(is_alerts_changed=True))
    assert message["put"][0]["state"] == "closed"
    assert "message" not in message["put"][0]


def test_every_page_counts_the_alerts_that_wait(monitor: Any) -> None:
    counts = alert_counts(monitor)
    assert (counts["critical"], counts["warning"]) == (1, 0)
    assert counts["newest"] == [{"id": 1, "severity": "critical", "host": "pve-01", "message": "rpool is DEGRADED"}]
    page = OverviewPage(monitor=monitor)
    assert list(page._count_alerts(None)) == [{"to": "alert-count", **counts}]
    page._counts = {"critical": 5}
    assert list(page._count_alerts(Changes(frozenset({1})))) == []
    assert list(page._count_alerts(Changes(is_alerts_changed=True))) == [{"to": "alert-count", **counts}]
    assert list(page._count_alerts(Changes(is_alerts_changed=True))) == []
    page._counts, page._counted_at = {"critical": 5}, page._counted_at - BEAT_SECONDS
    assert list(page._count_alerts(Changes(is_tick=True))) == [{"to": "alert-count", **counts}]


def test_a_past_page_shows_the_alerts_of_then(monitor: Any) -> None:
    async def load() -> AlertsPage:
        await monitor.alerts.stored()
        page = AlertsPage(monitor=monitor, at=NOW + timedelta(seconds=25))
        await page.load(NOW + timedelta(seconds=25))
        return page

    monitor.alerts._store.add_events(monitor.alerts._unstored)
    page = asyncio.run(load())
    (message,) = page.refresh(None)
    assert message["put"][0]["state"] == "open"


def act(page: AlertsPage, **message: Any) -> dict[str, Any]:
    sent: list[Any] = []
    page._send = sent.extend  # pyright: ignore[reportAttributeAccessIssue]
    asyncio.run(page._received(SimpleNamespace(data={"to": "alerts", **message})))
    return sent[-1]["answer"]


def test_the_page_acknowledges_and_takes_it_back(monitor: Any) -> None:
    page = AlertsPage(monitor=monitor)
    assert act(page, action="acknowledge", id="1", reason="known") == {"done": "Acknowledged: rpool is DEGRADED."}
    assert alert_counts(monitor)["critical"] == 0
    assert page._rows()[0]["acknowledged"]["reason"] == "known"
    assert "done" in act(page, action="unacknowledge", id="1")
    assert alert_counts(monitor)["critical"] == 1


def test_half_a_surrogate_pair_in_a_reason_leaves_the_page_as_it_can_be_sent(monitor: Any) -> None:
    page = AlertsPage(monitor=monitor)
    assert "done" in act(page, action="acknowledge", id="1", reason="\ud83d known", odd={1: {"\ude00"}})
    assert page._rows()[0]["acknowledged"]["reason"] == "? known"
    json.dumps(page._rows(), ensure_ascii=False).encode()


def test_the_page_silences_and_ends_it(monitor: Any) -> None:
    page = AlertsPage(monitor=monitor)
    assert act(page, action="silence", host="pve-*", reason="work") == {"done": "Silenced: pve-*."}
    assert alert_counts(monitor)["critical"] == 0
    assert page._rows()[0]["silenced"] == "work"
    assert "done" in act(page, action="end-silence", id="1")
    assert alert_counts(monitor)["critical"] == 1


@pytest.mark.parametrize("message", [{"action": "acknowledge", "id": "x"}, {"action": "acknowledge"}, {"action": "?"}])
def test_a_wish_that_cannot_be_fulfilled_is_answered_in_words(monitor: Any, message: dict[str, Any]) -> None:
    assert act(AlertsPage(monitor=monitor), **message)["error"].endswith(".")


def test_the_past_cannot_be_changed(monitor: Any) -> None:
    page = AlertsPage(monitor=monitor, at=NOW)
    assert act(page, action="acknowledge", id="1")["error"].startswith("Go back to live")
