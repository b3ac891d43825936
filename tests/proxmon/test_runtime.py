"""The running monitor's ticks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from proxmon.runtime import keep_ticking
from tests.builders import NOW


class Ticked:
    """Stands for a monitor, and writes down which of its parts were told that time has passed."""

    def __init__(self, moment: datetime | None) -> None:
        self.moment = moment
        self.clock = lambda: NOW
        self.ticked: list[str] = []
        self.over = asyncio.Event()
        self.sessions = SimpleNamespace(expire=self.expire)

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(tick=lambda *_: self.ticked.append(name))

    async def expire(self) -> None:
        self.over.set()


@pytest.mark.parametrize("moment", [None, NOW])
def test_a_copy_tells_nobody_and_sends_no_heartbeat(moment: datetime | None) -> None:
    async def tick() -> list[str]:
        monitor: Any = Ticked(moment)
        ticking = asyncio.create_task(keep_ticking(monitor, seconds=0))
        async with asyncio.timeout(10):
            await monitor.over.wait()
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
        return monitor.ticked

    ticked = asyncio.run(tick())
    assert {"board", "alerts"} < set(ticked)
    assert ({"dispatcher", "heartbeat"} & set(ticked) == set()) == (moment is not None)
