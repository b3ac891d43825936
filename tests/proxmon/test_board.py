"""The board: verdicts follow samples at once and the clock on every tick."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from proxmon.board import Board, PastBoard
from proxmon.bus import Bus, Changes
from proxmon.config import RuleSettings
from proxmon.findings import Status
from proxmon.fleet import Fleet, FleetSnapshot, HostSnapshot
from tests.builders import NOW, a_fast_payload, a_host, a_pool, a_sample, a_snapshot

SECOND = timedelta(seconds=1)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Listening(Bus):
    """A bus that remembers what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[Changes] = []

    def publish(self, changes: Changes) -> None:
        self.published.append(changes)


def a_board(*hosts: HostSnapshot) -> tuple[Board, Clock, Listening]:
    clock, bus = Clock(), Listening()
    return Board(Fleet(hosts), RuleSettings(), bus, clock), clock, bus


def status_of(board: Board, host_id: int = 1) -> Status:
    judged = board.find(host_id)
    assert judged is not None
    return judged.status.status


def test_an_accepted_sample_is_judged_and_told() -> None:
    board, _, bus = a_board(a_snapshot())
    bad = a_sample(payload=a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED")]}))
    board.accept(1, [bad], NOW)
    assert status_of(board) is Status.CRITICAL
    assert bus.published == [Changes(frozenset({1}))]


def test_a_silent_host_turns_offline_on_the_tick_alone() -> None:
    board, clock, bus = a_board(a_snapshot())
    clock.now = NOW + 30 * SECOND
    board.tick()
    assert status_of(board) is Status.OK
    clock.now = NOW + 31 * SECOND
    board.tick()
    assert status_of(board) is Status.OFFLINE
    assert bus.published[-1] == Changes(frozenset({1}), is_tick=True)


def test_a_tick_judges_only_what_expired() -> None:
    quiet = HostSnapshot(a_host(id=2, name="pve-02"))
    board, clock, bus = a_board(a_snapshot(), quiet)
    before = board.find(2)
    clock.now = NOW + 31 * SECOND
    board.tick()
    assert board.find(2) is before
    assert bus.published[-1].host_ids == {1}


def test_a_host_that_goes_on_sending_stays_ok_over_many_ticks() -> None:
    board, clock, _ = a_board(a_snapshot())
    for second in range(10, 200, 10):
        clock.now = NOW + second * SECOND
        board.accept(1, [a_sample(collected_at=clock.now)], clock.now)
        board.tick()
        assert status_of(board) is Status.OK


def test_samples_of_a_host_that_was_deleted_meanwhile_are_ignored() -> None:
    board, _, bus = a_board(a_snapshot())
    board.remove(1)
    board.accept(1, [a_sample()], NOW)
    assert board.list_hosts() == []
    assert bus.published == [Changes(frozenset({1}), is_fleet_changed=True)]


def test_hosts_are_listed_by_name_without_regard_to_case() -> None:
    names = ["b", "A", "c"]
    board, _, _ = a_board(*(HostSnapshot(a_host(id=number, name=name)) for number, name in enumerate(names)))
    assert [judged.name for judged in board.list_hosts()] == ["A", "b", "c"]
    assert board.find_named("c") is not None
    assert board.find_named("d") is None


def test_a_past_board_judges_as_of_its_moment() -> None:
    past = PastBoard(FleetSnapshot(NOW + 10 * SECOND, is_live=False, hosts=(a_snapshot(),)), RuleSettings())
    judged = past.find_named("pve-01")
    assert judged is not None
    assert judged.status.status is Status.OK


def test_a_board_publishes_on_a_running_loop() -> None:
    async def story() -> int:
        bus, told = Bus(), asyncio.Queue[Changes]()
        board = Board(Fleet([a_snapshot()]), RuleSettings(), bus, lambda: NOW)
        bus.subscribe(told.put_nowait)
        board.put(a_snapshot(left_at=NOW))
        return len((await asyncio.wait_for(told.get(), 1)).host_ids)

    assert asyncio.run(story()) == 1
