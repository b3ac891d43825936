"""The live alerts: what the board sees becomes events, is stored, and goes on after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from proxmon.alerts.desk import AlertDesk
from proxmon.alerts.model import AlertEvent
from proxmon.alerts.records import fold
from proxmon.board import Board
from proxmon.bus import Bus, Changes
from proxmon.config import RuleSettings
from proxmon.errors import StoreUnavailableError
from proxmon.fleet import Fleet, HostSnapshot
from tests.builders import NOW, a_fast_payload, a_host, a_pool, a_sample

BROKEN = a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED")]})
STEP = timedelta(seconds=10)


class Memory:
    """Keeps events as the store does; it can be out of order."""

    def __init__(self) -> None:
        self.events: list[AlertEvent] = []
        self.writes = 0
        self.is_broken = False

    def add_events(self, events: Sequence[AlertEvent]) -> None:
        if self.is_broken:
            raise StoreUnavailableError("The disk is full: make room.")
        self.writes += 1
        self.events += events

    def list_events(self, since: datetime, at: datetime | None = None) -> list[AlertEvent]:
        return [one for one in self.events if at is None or one.happened_at <= at]

    def newest_id(self) -> int:
        return max((one.alert_id for one in self.events), default=0)


class World:
    """A board with its desk, and a clock that the test moves."""

    def __init__(self, memory: Memory | None = None, hosts: Sequence[HostSnapshot] = ()) -> None:
        self.now = NOW
        self.memory = memory or Memory()
        self.bus = Bus()
        self.told: list[Changes] = []
        snapshots = hosts or [HostSnapshot(a_host())]
        self.board = Board(Fleet(snapshots), RuleSettings(), self.bus, lambda: self.now)
        self.desk = AlertDesk(self.memory, self.board, lambda: self.now)

    def send(self, payload: dict[str, Any] | None = None, times: int = 1) -> None:
        for _ in range(times):
            self.now += STEP
            sample = a_sample(payload=payload, collected_at=self.now)
            self.board.accept(1, [sample], self.now)

    def wait(self, **span: float) -> None:
        end = self.now + timedelta(**span)
        while self.now < end:
            self.now = min(end, self.now + STEP)
            self.board.tick()
            self.desk.tick()


def test_a_broken_pool_is_an_alert_that_is_stored() -> None:
    async def live() -> World:
        world = World()
        world.send(BROKEN, times=3)
        await world.desk.stored()
        return world

    world = asyncio.run(live())
    (record,) = world.desk.list_open()
    assert (record.newest.rule, record.severity, record.state(world.now)) == ("zpool_health", "critical", "open")
    assert fold(world.memory.events) == {record.id: record}


def test_an_idle_server_writes_nothing() -> None:
    async def live() -> Memory:
        world = World()
        for _ in range(60):
            world.send(times=1)
            world.desk.tick()
        await world.desk.stored()
        return world.memory

    assert asyncio.run(live()).writes == 0


def test_open_alerts_go_on_after_a_restart_and_are_not_opened_again() -> None:
    async def live() -> tuple[World, World]:
        before = World()
        before.send(BROKEN, times=3)
        await before.desk.stored()
        after = World(before.memory, before.board.fleet.list_hosts())
        after.now = before.now
        after.send(BROKEN, times=5)
        await after.desk.stored()
        opened = len(after.memory.events)
        after.send(times=20)
        await after.desk.stored()
        assert opened == 1
        return before, after

    before, after = asyncio.run(live())
    assert after.desk.list_open() == []
    assert [one.kind for one in after.memory.events] == ["opened", "closed"]
    assert {one.alert_id for one in after.memory.events} == {before.desk.list_open()[0].id}


def test_an_alert_of_a_host_that_was_deleted_meanwhile_ends_at_the_start() -> None:
    async def live() -> World:
        before = World()
        before.send(BROKEN, times=3)
        await before.desk.stored()
        after = World(before.memory, [HostSnapshot(a_host(id=2, name="other"))])
        after.desk.tick()
        await after.desk.stored()
        return after

    assert [one.kind for one in asyncio.run(live()).memory.events] == ["opened", "closed"]


def test_events_that_cannot_be_stored_wait_and_are_stored_once() -> None:
    async def live() -> Memory:
        world = World()
        world.memory.is_broken = True
        world.send(BROKEN, times=3)
        await world.desk.stored()
        assert world.memory.events == []
        assert len(world.desk.list_open()) == 1
        world.memory.is_broken = False
        world.desk.tick()
        await world.desk.stored()
        return world.memory

    assert [one.kind for one in asyncio.run(live()).events] == ["opened"]


def test_a_server_that_slept_calls_nobody_offline() -> None:
    async def live() -> World:
        world = World()
        world.wait(minutes=5)
        world.send(times=3)
        world.now += timedelta(hours=8)
        world.desk.tick()
        assert world.desk.list_open() == []
        world.wait(minutes=3)
        return world

    assert [one.newest.rule for one in asyncio.run(live()).desk.list_open()] == ["offline"]


def test_an_open_alert_is_told_with_its_newest_value() -> None:
    async def live() -> World:
        world = World()
        for percent in range(81, 90):
            world.send(a_fast_payload(zfs_pools={"pools": [a_pool(capacity_percent=percent)]}))
        return world

    world = asyncio.run(live())
    (record,) = world.desk.list_fresh()
    assert record.newest.value == 89
    assert world.desk.refresh(record).newest.message == "rpool is 89 % full"


def test_pages_are_told_that_alerts_changed() -> None:
    async def live() -> list[Changes]:
        world = World()
        world.bus.subscribe(world.told.append, spacing_seconds=0)
        world.send(BROKEN, times=3)
        await asyncio.sleep(0)
        await world.desk.stored()
        await asyncio.sleep(0)
        return world.told

    assert any(changes.is_alerts_changed for changes in asyncio.run(live()))


def test_the_past_is_read_from_the_store() -> None:
    async def live() -> World:
        world = World()
        world.send(BROKEN, times=3)
        world.send(times=30)
        await world.desk.stored()
        return world

    world = asyncio.run(live())
    assert world.desk.list_open() == []
    (past,) = world.desk.read_at(NOW + STEP * 5)
    assert past.is_open
    assert [one.id for one in world.desk.list_closed()] == [past.id]
