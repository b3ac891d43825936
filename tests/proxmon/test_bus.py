"""The bus: listeners are told at once, then coalesced, and never after they left."""

from __future__ import annotations

import asyncio

import pytest

from proxmon.bus import Bus, Changes, Subscription


def run(story: object) -> None:
    asyncio.run(story())  # pyright: ignore


def test_a_change_is_told_at_once() -> None:
    async def story() -> None:
        bus, told = Bus(), asyncio.Queue[Changes]()
        bus.subscribe(told.put_nowait)
        bus.publish(Changes(frozenset({1})))
        assert (await asyncio.wait_for(told.get(), 1)).host_ids == {1}

    run(story)


def test_changes_within_the_spacing_are_told_together() -> None:
    async def story() -> None:
        bus, told = Bus(), asyncio.Queue[Changes]()
        bus.subscribe(told.put_nowait, spacing_seconds=0.05, at_once=1)
        bus.publish(Changes(frozenset({1})))
        await told.get()
        for host_id in (2, 3):
            bus.publish(Changes(frozenset({host_id})))
        bus.publish(Changes(is_tick=True))
        assert await asyncio.wait_for(told.get(), 1) == Changes(frozenset({2, 3}), is_tick=True)
        assert told.empty()

    run(story)


def test_a_few_changes_need_not_wait_for_each_other_and_many_are_spaced() -> None:
    async def story() -> None:
        bus, told = Bus(), asyncio.Queue[Changes]()
        bus.subscribe(told.put_nowait, spacing_seconds=60, at_once=3)
        for host_id in (1, 2, 3):
            bus.publish(Changes(frozenset({host_id})))
            assert (await asyncio.wait_for(told.get(), 1)).host_ids == {host_id}
        bus.publish(Changes(frozenset({4})))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(told.get(), 0.05)

    run(story)


def test_in_the_long_run_changes_come_at_their_spacing() -> None:
    async def story() -> None:
        bus, told, loop = Bus(), asyncio.Queue[float](), asyncio.get_running_loop()
        bus.subscribe(lambda _: told.put_nowait(loop.time()), spacing_seconds=0.02, at_once=3)
        began, last = loop.time(), 0.0
        for host_id in range(10):
            bus.publish(Changes(frozenset({host_id})))
            last = await asyncio.wait_for(told.get(), 1)
        # Ten in all, three of which came without a wait; a timer may be early by its clock's step.
        assert last - began > 7 * 0.02 - 0.005

    run(story)


def test_a_rest_saves_up_no_more_than_a_few() -> None:
    async def story() -> None:
        told = asyncio.Queue[Changes]()
        subscription = Subscription(told.put_nowait, spacing_seconds=60, at_once=3)
        subscription.even_at = asyncio.get_running_loop().time() - 3600
        for _ in range(3):
            subscription.notify(Changes(is_tick=True))
            await asyncio.wait_for(told.get(), 1)
        subscription.notify(Changes(is_tick=True))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(told.get(), 0.05)
        subscription.cancel()

    run(story)


def test_who_left_is_told_nothing_more_and_may_leave_twice() -> None:
    async def story() -> None:
        bus, told = Bus(), asyncio.Queue[Changes]()
        leave = bus.subscribe(told.put_nowait)
        bus.publish(Changes(frozenset({1})))
        leave()
        leave()
        for _ in range(3):
            await asyncio.sleep(0)
        assert told.empty()
        assert len(bus) == 0

    run(story)


def test_a_failing_listener_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        bus, told = Bus(), asyncio.Queue[Changes]()

        def fail(changes: Changes) -> None:
            raise RuntimeError("broken page")

        bus.subscribe(fail)
        bus.subscribe(told.put_nowait)
        bus.publish(Changes(frozenset({1})))
        await asyncio.wait_for(told.get(), 1)

    run(story)
    assert "A listener of the bus failed" in caplog.text
