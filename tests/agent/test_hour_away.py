"""An hour of an agent without its server, in simulated time."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from scripted_server import TOKEN, ScriptedServer, answer

from proxmon.agent.delivery import Delivery
from proxmon.agent.message import Envelope, iso_utc, sample_text
from proxmon.agent.spool import Spool
from proxmon.agent.transport import Transport


class Hour:
    """An hour of one host in simulated time: an agent that can be killed, and a record of all that it collected."""

    def __init__(self, folder: Path, server: ScriptedServer) -> None:
        self._folder = folder
        self._server = server
        self._random = random.Random(7)
        self.now = 0.0
        self.collected: list[tuple[str, str]] = []
        self._start_agent()

    def _start_agent(self) -> None:
        self._spool = Spool(str(self._folder), 10_000, 1 << 28)
        self._delivery = Delivery(
            self._spool,
            Transport(self._server.url),
            TOKEN,
            Envelope("1", {"fast": 10.0, "medium": 300.0, "slow": 3600.0}),
            monotonic=lambda: self.now,
            wall_clock=lambda: 1.8e9 + self.now,
            jitter=self._random.uniform,
        )

    def kill_agent(self) -> None:
        """Forget what a killed process forgets, leave what it was writing, and start another."""
        self.close()
        (self._folder / "000000009999-fast.sample.part").write_bytes(b"half a sam")
        self._start_agent()

    def close(self) -> None:
        self._delivery.close()
        self._spool.close()

    def run_until(self, end: float) -> None:
        while self.now < end:
            for tier, every in (("fast", 10), ("medium", 300), ("slow", 3600)):
                if self.now % every == 0:
                    moment = iso_utc(1.8e9 + self.now)
                    self.collected.append((tier, moment))
                    self._spool.add(tier, sample_text(tier, moment, {"host": {"load1": 1.0}}), durable=False)
            next_sample = self.now + 10
            while True:
                pause = self._delivery.step()
                if pause is None or self.now + pause >= next_sample:
                    break
                self.now += pause
            self.now = next_sample


def test_an_hour_away_with_kills_on_both_sides_loses_and_repeats_nothing(
    tmp_path: Path, server: ScriptedServer
) -> None:
    hour = Hour(tmp_path / "spool", server)
    hour.run_until(300)
    server.stop()
    hour.run_until(900)
    hour.kill_agent()
    hour.run_until(1500)
    server.start()
    lost_answers = iter([True, False, False] * 10)

    def store_but_lose_the_answer(message: dict[str, Any]) -> Any:
        if next(lost_answers, False):
            server._store(message["samples"])
            return answer(502, b"gateway")
        return None

    server.judge = store_but_lose_the_answer
    hour.run_until(1600)
    hour.kill_agent()
    server.stop()
    hour.run_until(3300)
    hour.kill_agent()
    server.start()
    hour.run_until(3800)
    hour.close()
    assert len(hour.collected) == 380 + 13 + 2
    assert sorted(server.stored) == sorted(hour.collected)
    assert list((tmp_path / "spool").glob("*.sample*")) == []
