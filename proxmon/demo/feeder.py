"""Acts as the agents of a simulated fleet, over real HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from proxmon.context import Monitor
from proxmon.demo.history import Past
from proxmon.demo.names import host_name
from proxmon.demo.posting import post_json
from proxmon.demo.scenario import INTERVALS, Scenario
from proxmon.payload import Tier

log = logging.getLogger(__name__)

POSTS_PER_SECOND = 25.0  # in all; a larger fleet sends less often, as each message is made and judged in one process
STARTS_AT_ONCE = 8
OK = 200


async def feed_demo(
    monitor: Monitor,
    url: str,
    hosts: int,
    intervals: Mapping[Tier, float] | None = None,
    past: Past | None = None,
) -> None:
    """Add the hosts of the demo, or take over those that exist, and send for them until cancelled."""
    past = past or Past(Scenario(monitor.clock()), {})
    feed = _Feed(monitor, url, intervals or demo_intervals(hosts), past.scenario, past.tokens)
    await asyncio.gather(*(feed.run(index, index / hosts) for index in range(hosts)))


def demo_intervals(hosts: int) -> Mapping[Tier, float]:
    """Return how often a fleet of that size sends: every 2 s up to 50 hosts, then as often as is cheap."""
    fast = max(INTERVALS[Tier.FAST], hosts / POSTS_PER_SECOND)
    return {tier: max(seconds, fast) for tier, seconds in INTERVALS.items()}


@dataclass
class _Feed:
    """What the agents share; it belongs to the event loop's thread."""

    monitor: Monitor
    url: str
    intervals: Mapping[Tier, float]
    scenario: Scenario
    tokens: Mapping[str, str]
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(STARTS_AT_ONCE))
    failing: set[str] = field(default_factory=set[str])
    stopped: set[int] = field(default_factory=set[int])

    async def run(self, index: int, share: float) -> None:
        """Send all tiers of a host at once, then each when it is due; ``share`` spreads the hosts over an interval."""
        async with self.gate:
            token = await self._token(host_name(index))
            started_at = self.monitor.clock()
            due = dict.fromkeys(Tier, started_at)
            await self._send(index, token, started_at, due)
        await asyncio.sleep(share * self.intervals[Tier.FAST])
        while True:
            await asyncio.sleep(self.intervals[Tier.FAST])
            now = self.monitor.clock()
            if self.scenario.is_sending(index, now):
                await self._send(index, token, now, due)
            elif self.scenario.is_stopped(index, now) and index not in self.stopped:
                await self._leave(index, token)

    async def _token(self, name: str) -> str:
        if name in self.tokens:
            return self.tokens[name]
        is_known = self.monitor.board.find_named(name) is not None
        issued = await (self.monitor.hosts.rotate(name) if is_known else self.monitor.hosts.add(name))
        return issued.token

    async def _send(self, index: int, token: str, now: datetime, due: dict[Tier, datetime]) -> None:
        """Send the tiers that are due; those of a message that fails stay due."""
        self.stopped.discard(index)
        tiers = [tier for tier in Tier if tier is Tier.FAST or due[tier] <= now]
        if await self._post(index, token, now, tiers):
            due.update({tier: now + timedelta(seconds=self.intervals[tier]) for tier in tiers})

    async def _leave(self, index: int, token: str) -> None:
        """Say goodbye, once, as an agent does that is stopped."""
        self.stopped.add(index)
        with suppress(OSError):  # then the host is offline a little later, as one that fell silent
            await post_json(f"{self.url}/api/goodbye", token, b'{"reason": "stop"}')

    async def _post(self, index: int, token: str, now: datetime, tiers: list[Tier]) -> bool:
        body = msgspec.json.encode(self.scenario.message(index, now, tiers, self.intervals))
        try:
            status, answer = await post_json(f"{self.url}/api/ingest", token, body)
        except OSError as error:
            status, answer = 0, str(error) or "no answer in time"
        self._note(host_name(index), status, answer)
        return status == OK

    def _note(self, name: str, status: int, answer: str) -> None:
        """Log the first of a host's row of failures; one that an administrator deleted fails for good."""
        if status == OK:
            self.failing.discard(name)
        elif name not in self.failing:
            self.failing.add(name)
            log.warning("The demo's host %s could not send, and tries again: %s %s", name, status or "", answer[:200])
