"""A delivery with a clock that only moves when a test moves it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from scripted_server import TOKEN, ScriptedServer

from proxmon.agent.delivery import Delivery
from proxmon.agent.message import Envelope, iso_utc, sample_text
from proxmon.agent.spool import Spool
from proxmon.agent.transport import Transport

INTERVALS = {"fast": 10.0, "medium": 300.0, "slow": 3600.0}
START = 1_800_000_000.0
Jitter = Callable[[float, float], float]
USUAL_JITTER: Jitter = inspect.signature(Delivery).parameters["jitter"].default


class Rig:
    """A delivery with a clock that only moves when a test moves it."""

    opened: ClassVar[list[Rig]] = []

    def __init__(
        self, folder: Path, server: ScriptedServer, token: str = TOKEN, jitter: Jitter = lambda low, high: high
    ) -> None:
        self.opened.append(self)
        self.now = 0.0
        self.made = 0
        self.spool = Spool(str(folder), 10_000, 1 << 30)
        self.delivery = Delivery(
            self.spool,
            Transport(server.url),
            token,
            Envelope("1.2.3", INTERVALS),
            monotonic=lambda: self.now,
            wall_clock=lambda: START + self.now,
            jitter=jitter,
        )

    def add(self, tier: str = "fast", count: int = 1, **payload: Any) -> None:
        for _ in range(count):
            self.made += 1
            self.spool.add(tier, sample_text(tier, iso_utc(START + self.made), {"n": self.made, **payload}))

    def deliver_all(self) -> None:
        """Step until nothing waits, jumping over each pause."""
        for _ in range(1000):
            pause = self.delivery.step()
            if pause is None:
                return
            self.now += pause
        raise AssertionError("it never came to an end")
