"""The live alerts: what the board sees becomes events, is stored, and goes on after a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from proxmon.alerts.records import fold
from proxmon.bus import Changes
from proxmon.events import Recorded
from proxmon.findings import Status
from proxmon.fleet import HostSnapshot
from tests.builders import NOW, a_fast_payload, a_host, a_pool, a_sample
from tests.worlds import BROKEN, STEP, Memory, World


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
        after = World(before.memory, before.board.fleet.list_hosts(), now=before.now)
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


def test_an_acknowledged_alert_is_still_acknowledged_after_a_restart_and_speaks_again_when_it_worsens() -> None:
    worse = a_fast_payload(zfs_pools={"pools": [a_pool(capacity_percent=95)]})

    async def live() -> World:
        before = World()
        before.send(a_fast_payload(zfs_pools={"pools": [a_pool(capacity_percent=85)]}), times=10)
        (record,) = before.desk.list_open()
        before.desk.acknowledge(record.id, "alice", "The new disks are ordered")
        await before.desk.stored()
        after = World(before.memory, before.board.fleet.list_hosts(), now=before.now)
        (known,) = after.desk.list_open()
        assert (known.id, known.is_acknowledged(after.now)) == (record.id, True)
        assert known.acknowledged is not None
        assert known.acknowledged.reason == "The new disks are ordered"
        after.send(worse, times=10)
        await after.desk.stored()
        return after

    world = asyncio.run(live())
    (record,) = world.desk.list_open()
    assert not record.is_acknowledged(world.now)
    assert [one.kind for one in world.memory.events] == ["opened", "acknowledged", "escalated"]


def test_an_acknowledgement_is_for_the_alert_of_one_host() -> None:
    async def live() -> World:
        world = World(hosts=[HostSnapshot(a_host(id=number, name=f"site-{number}")) for number in (1, 2)])
        for _ in range(3):
            world.send(BROKEN)
            world.send(BROKEN, host_id=2)
        world.desk.acknowledge(world.desk.list_open()[0].id, "alice")
        await world.desk.stored()
        return world

    world = asyncio.run(live())
    assert [(one.host_id, one.state(world.now)) for one in world.desk.list_open()] == [(1, "acknowledged"), (2, "open")]


@pytest.mark.parametrize("interval_seconds", [10.0, 600.0])
def test_after_a_start_the_alert_and_the_record_call_a_host_offline_at_the_same_moment(interval_seconds: float) -> None:
    sample = replace(a_sample(collected_at=NOW - timedelta(hours=5)), interval_seconds=interval_seconds)
    host = HostSnapshot(a_host(), recorded=Recorded(Status.OK)).with_samples([sample], sample.received_at)

    async def live() -> World:
        world = World(hosts=[host])
        world.wait(hours=1)
        await world.desk.stored()
        return world

    world = asyncio.run(live())
    (alert,) = world.desk.list_open()
    (recorded,) = [event for event in world.recorded if event.kind == "offline"]
    assert alert.opened_at - recorded.happened_at <= timedelta(microseconds=1)
    assert alert.opened_at - NOW >= timedelta(seconds=max(120.0, 3 * interval_seconds))


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
    assert (record.newest.value, record.newest.message) == (89, "rpool is 89 % full")


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
