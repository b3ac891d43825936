"""The page of channels without a browser: what it shows, does and never says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dashboards.channels import NO_LINKS, ChannelsPage
from tests.dashboards.parts import a_monitor
from tests.proxmon.test_dispatch import Desk

WISH = {"action": "add", "name": "mail", "url": "test://swordfish", "severity": "critical", "hosts": "web-*"}
WISH |= {"quiet_hours": "daily 22:00-07:00", "tells_ends": False}


class Visit:
    """A page over a world whose alerts are told, and what it sent to the browser."""

    def __init__(self) -> None:
        self.world = Desk()
        monitor = a_monitor()
        monitor.channels, monitor.dispatcher = self.world.book, self.world.dispatcher
        self.page = ChannelsPage(monitor=monitor)
        self.sent: list[Any] = []
        self.page._send = self.sent.extend

    def ask(self, **message: Any) -> dict[str, Any]:
        asyncio.run(self.page.receive(message))
        return self.sent.pop()["answer"]


def test_a_channel_is_added_changed_tested_and_deleted_and_its_address_is_never_sent() -> None:
    visit = Visit()
    assert "Test it" in visit.ask(**WISH)["done"]
    (message,) = visit.page.refresh(None)
    (row,) = message["put"]
    assert (row["key"], row["severity"], row["hosts"]) == ("mail", "critical", "web-*")
    assert (row["quiet_hours"], row["tells_ends"]) == ("daily 22:00-07:00 UTC", False)
    assert visit.ask(action="change", name="mail", url="", hosts="*")["done"] == "mail was changed."
    assert visit.ask(action="test", name="mail")["done"] == "mail accepted a test message."
    visit.world.services.refusing = {"test://swordfish"}
    assert visit.ask(action="test", name="mail")["error"] == "The test of mail failed: Refused."
    shown = str([visit.page.context()["channels"], visit.sent, message])
    assert "swordfish" not in shown
    assert "deleted" in visit.ask(action="delete", name="mail")["done"]
    assert next(iter(visit.page.refresh(None)))["remove"] == ["mail"]


def test_a_channel_is_paused_and_resumed_and_the_page_says_so() -> None:
    visit = Visit()
    visit.ask(**WISH)
    list(visit.page.refresh(None))
    assert "mail is paused" in visit.ask(action="pause", name="mail")["done"]
    (message,) = visit.page.refresh(None)
    assert message["put"] == [{"key": "mail", "paused": visit.world.now.timestamp()}]
    assert "waited" in visit.ask(action="resume", name="mail")["done"]
    (message,) = visit.page.refresh(None)
    assert message["put"] == [{"key": "mail", "paused": None}]
    assert "error" in visit.ask(action="pause", name="none")


def test_without_a_public_address_the_page_says_what_is_missing() -> None:
    part: Any = Visit().page.context()["channels"]
    assert part.state["note"] == NO_LINKS


@pytest.mark.parametrize("message", [{"action": "add", "name": "x"}, {"action": "test", "name": "none"}, {}])
def test_what_cannot_be_done_is_said(message: dict[str, Any]) -> None:
    answer = Visit().ask(**message)
    assert answer.get("error") or "reload" in answer["done"]
