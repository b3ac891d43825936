"""The heartbeat, against a real receiver."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta

import pytest

from proxmon.alerts.heartbeat import Heartbeat
from proxmon.config import read_settings
from proxmon.errors import SettingsError, StoreUnavailableError
from tests.builders import NOW
from tests.counterparts import Webhook, a_webhook

SECRET = "swordfish-of-the-check"


class Heart:
    """A heartbeat whose clock and health the test moves."""

    def __init__(self, url: str) -> None:
        self.now: datetime = NOW
        self.is_well = True
        self.beat = Heartbeat(url, self.check, lambda: self.now)

    def check(self) -> None:
        if not self.is_well:
            raise StoreUnavailableError("The disk is full: make room.")

    async def live(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.beat.tick()
            await self.beat.settled()


def live(hook: Webhook | None, *parts: tuple[int, bool]) -> None:
    """Let time pass in parts of so many seconds, in which the server is well or not."""
    port = re.search(r":(\d+)/", hook.url.rpartition("@")[2]) if hook else None
    heart = Heart(f"http://127.0.0.1:{port[1] if port else 9}/{SECRET}")

    async def run() -> None:
        for seconds, is_well in parts:
            heart.is_well = is_well
            await heart.live(seconds)

    asyncio.run(run())


def test_it_beats_once_a_minute() -> None:
    with a_webhook() as hook:
        live(hook, (181, True))
    assert [one["path"] for one in hook.got] == [f"/{SECRET}"] * 4


def test_a_server_that_cannot_store_does_not_say_that_it_is_well() -> None:
    with a_webhook() as hook:
        live(hook, (30, True), (300, False), (60, True))
    assert len(hook.got) == 2


def test_a_failure_is_logged_once_and_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    live(None, (300, True))
    (record,) = caplog.records
    assert record.getMessage().startswith("No heartbeat to 127.0.0.1: ")
    assert SECRET not in caplog.text


def test_a_refusal_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    with a_webhook() as hook:
        hook.status = 404
        live(hook, (1, True))
    assert caplog.messages == ["No heartbeat to 127.0.0.1: HTTPError 404"]


def test_an_address_of_another_kind_is_refused_without_being_said() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"PROXMON_HEARTBEAT_URL": f"file:///{SECRET}"})
    assert SECRET not in str(refused.value)
