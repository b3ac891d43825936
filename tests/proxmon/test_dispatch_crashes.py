"""Whenever the server is killed: each alert is told at least once, and twice only when it is marked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxmon.alerts.messages import Item, Message
from proxmon.alerts.model import Severity
from proxmon.alerts.records import fold
from proxmon.alerts.tellings import Owed
from tests.builders import a_fast_payload, a_pool
from tests.proxmon.test_dispatch import Desk, Services
from tests.worlds import BROKEN

FULL = a_fast_payload(zfs_pools={"pools": [a_pool(capacity_percent=95)]})
BOTH = a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED", capacity_percent=95)]})
HEALTHY = a_fast_payload()
URL = "test://mail"


class Noted:
    """Words for alerts: what was put into them is kept, to be compared with what was accepted."""

    public_url = ""

    def __init__(self) -> None:
        self.items: dict[str, Sequence[Item]] = {}

    def compose(self, items: Sequence[Item], now: datetime) -> Message:
        title = f"message {len(self.items)} of {now}"
        self.items[title] = items
        return Message(title, "", Severity.CRITICAL)


class Life:
    """A server that is killed and started again, with services that go on."""

    def __init__(self) -> None:
        self.services, self.composer = Services(), Noted()
        self.world = self.start(Desk())

    def start(self, world: Desk) -> Desk:
        world.services = world.dispatcher._sender = self.services
        world.dispatcher._composer = self.composer  # pyright: ignore[reportAttributeAccessIssue]
        return world

    def kill(self) -> None:
        old = self.world
        hosts = old.board.fleet.list_hosts()
        # What the old server still does reaches nobody, neither the store nor a service.
        old.dispatcher._sender = Services()
        kept, memory = deepcopy(old.kept), deepcopy(old.memory)
        self.world = self.start(Desk(kept=kept, memory=memory, hosts=hosts, now=old.now))

    async def do(self, deed: str, payload: dict[str, Any], times: int) -> None:
        self.services.refusing = {URL} if deed == "refuse" else set()
        self.services.lost = {URL} if deed == "lose" else set()
        await self.world.hear(payload, times=times)
        if deed in ("kill", "lose"):
            self.kill()
        elif deed == "kill between alert and message":
            self.world.send(payload, times=2)
            await self.world.desk.stored()
            self.kill()

    def told(self) -> list[Item]:
        return [item for _, message in self.services.got for item in self.composer.items[message.title]]


DEEDS = st.sampled_from(["", "", "kill", "refuse", "lose", "kill between alert and message"])
PAYLOADS = st.sampled_from([HEALTHY, BROKEN, FULL, BOTH])


@settings(max_examples=settings().max_examples // 4)
@given(st.lists(st.tuples(DEEDS, PAYLOADS, st.integers(1, 15)), max_size=12))
def test_each_alert_is_told_at_least_once_and_again_only_when_it_is_marked(deeds: list[Any]) -> None:
    async def live() -> Life:
        life = Life()
        await life.world.add("mail")
        for deed in deeds:
            await life.do(*deed)
        await life.do("", HEALTHY, 40)
        await life.world.hear_all({1: HEALTHY}, times=80, step=timedelta(seconds=29))
        return life

    life = asyncio.run(live())
    told = life.told()
    alerts = fold(life.world.memory.events).values()
    about_hosts = [record for record in alerts if record.host_id]
    assert all(record.closed_at for record in about_hosts)
    for record in about_hosts:
        mine = [item for item in told if item.record.id == record.id]
        assert mine, record
        assert mine[-1].owed is Owed.END
        for owed in Owed:
            again = [item.is_repetition for item in mine if item.owed is owed][1:]
            assert all(again), (record, owed)
    assert life.world.kept.tellings == {}
