"""The server's clock steps by an hour: what is told of hosts that go on sending."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from proxmon.findings import Status
from proxmon.samples import read_message
from tests.builders import NOW, a_message, a_wire_sample, iso
from tests.worlds import World

HOUR = timedelta(hours=1)


def status_of(world: World) -> Status:
    judged = world.board.find(1)
    assert judged is not None
    return judged.status.status


def last_seen_seconds(world: World) -> float:
    judged = world.board.find(1)
    assert judged is not None
    offline = judged.status.find("offline")
    assert offline is not None
    assert offline.value is not None
    return offline.value


def offline_alerts(world: World) -> int:
    return sum(event.rule == "offline" for event in world.memory.events)


async def a_world_after(step: timedelta) -> World:
    """Return a world whose host sent all the time, and whose clock made a step in between."""
    world = World()
    world.send(times=30)
    world.now += step
    world.recorder.tick(world.now)
    world.board.tick()
    world.desk.tick()
    return world


def test_after_a_step_forward_the_next_sample_brings_a_host_back_and_nobody_is_alerted() -> None:
    async def live() -> World:
        world = await a_world_after(HOUR)
        assert status_of(world) is Status.OFFLINE
        for _ in range(30):
            world.send()
            world.desk.tick()
            assert status_of(world) is Status.OK
        return world

    world = asyncio.run(live())
    assert offline_alerts(world) == 0
    assert not [event for event in world.recorded if event.rule == "offline" and event.happened_at >= NOW + HOUR]


def test_after_a_step_back_a_host_that_sends_stays_online() -> None:
    async def live() -> World:
        world = await a_world_after(-HOUR)
        for _ in range(10):
            world.send()
            world.desk.tick()
            assert status_of(world) is Status.OK
        return world

    assert offline_alerts(asyncio.run(live())) == 0


def test_after_a_step_back_a_silent_host_is_found_once_the_old_time_is_reached() -> None:
    async def live() -> World:
        world = await a_world_after(-HOUR)
        world.wait(minutes=59)
        assert (status_of(world), last_seen_seconds(world)) == (Status.OK, 0)
        world.wait(minutes=3)
        return world

    assert status_of(asyncio.run(live())) is Status.OFFLINE


def test_a_clock_of_the_server_that_stepped_is_said_as_a_clock_that_differs() -> None:
    for step in (HOUR, -HOUR):
        body = a_message(a_wire_sample(collected_at=iso(NOW)), sent_at=iso(NOW))
        (sample,) = read_message(body, 1, NOW + step)
        assert sample.clock_offset_seconds == -step.total_seconds()
        assert sample.observed_at == NOW + step
