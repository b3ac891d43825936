"""A host whose pools, guests and datasets are others in each sample makes the server remember no more of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from proxmon import moves
from proxmon.alerts import engine
from proxmon.errors import SampleError
from proxmon.events import EventKind
from proxmon.fleet import HostSnapshot
from proxmon.payload import Vdev
from proxmon.samples import MOST_PARTS, read_message
from proxmon.scrubs import KNOWN_SCRUBS, MOST_POOLS, FinishedScrub, with_scrub, with_scrubs
from proxmon.vdevs import walk_vdevs
from proxmon.verdicts import MOST_CHANGES
from tests.builders import NOW, a_host, a_medium_payload, a_message, a_pool, a_sample, a_snapshot, a_wire_sample, iso
from tests.worlds import World

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def scrubbed(names: range, ended_at: datetime = NOW - MINUTE) -> dict[str, Any]:
    return {"zfs_pools": {"pools": [{"name": f"p{name}", "last_scrub_end": iso(ended_at)} for name in names]}}


def test_of_too_many_pools_the_scrubs_of_those_that_were_scrubbed_last_are_known() -> None:
    host = HostSnapshot(a_host())
    for first in range(3):
        names = range(first * MOST_POOLS, (first + 1) * MOST_POOLS)
        sample = a_sample(payload=scrubbed(names, NOW + first * SECOND), collected_at=NOW + MINUTE)
        host = host.with_samples([sample], NOW + MINUTE)
    assert set(host.scrubs) == {f"p{name}" for name in range(2 * MOST_POOLS, 3 * MOST_POOLS)}


def test_scrubs_of_one_message_are_put_together_once() -> None:
    samples = [a_sample(payload=scrubbed(range(3), NOW + n * SECOND), collected_at=NOW + MINUTE) for n in range(9)]
    host = HostSnapshot(a_host()).with_samples(samples, NOW + MINUTE)
    ends = [NOW + n * SECOND for n in reversed(range(9))][:KNOWN_SCRUBS]
    assert host.scrubs == {f"p{name}": tuple(map(FinishedScrub, ends)) for name in range(3)}
    again = host.with_samples(samples[-1:], NOW + MINUTE)
    assert again.scrubs is host.scrubs


def test_a_scrub_before_the_known_ones_changes_nothing() -> None:
    known = tuple(FinishedScrub(NOW - n * SECOND) for n in range(KNOWN_SCRUBS))
    assert with_scrub(known, NOW - MINUTE, 5.0) is known
    scrubs = {"tank": known}
    assert with_scrubs(scrubs, [("tank", NOW - MINUTE, 5.0)]) is scrubs


def guests(names: range) -> dict[str, Any]:
    return {"vms_runtime": {"vms": [{"vmid": name, "name": "web", "type": "qemu"} for name in names]}}


def kept_of(world: World) -> tuple[int, int]:
    """Return of how many guests it is remembered that they are there, and that they are gone."""
    watched: Any = world.recorder
    return len(watched._moves._hosts), len(watched._moves._lost)


def test_guests_that_are_others_each_time_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "MOST_LOST", 50)
    world = World()
    for first in range(10):
        world.send(guests(range(first * 20, (first + 1) * 20)))
    assert kept_of(world) == (20, 50)
    world.wait(minutes=11)
    world.send(guests(range(19)))
    world.send(guests(range(18)))
    assert kept_of(world) == (18, 21)  # those that left before had all been gone for too long


@pytest.mark.parametrize("changes", ["names", "clusters"])
def test_guests_with_other_names_or_in_other_clusters_do_not_add_up(changes: str) -> None:
    world = World()
    for number in range(6):
        if changes == "clusters":
            system = {"system_info": {"cluster": f"c{number}"}}
            world.board.accept(1, [a_sample(tier="slow", payload=system, collected_at=world.now)], world.now)
        names = f"web-{number}" if changes == "names" else "web"
        vms = [{"vmid": vmid, "name": names, "type": "qemu"} for vmid in range(10)]
        world.send({"vms_runtime": {"vms": vms}})
        assert kept_of(world) == (10, 0)
    assert [event for event in world.recorded if event.kind.startswith("guest_")] == []


def test_a_guest_has_moved_although_the_host_that_it_left_says_more_before_it_does_so() -> None:
    world = World(hosts=[HostSnapshot(a_host()), HostSnapshot(a_host(id=2, name="pve-02"))])
    world.send(guests(range(100, 102)))
    world.send(guests(range(200, 201)), host_id=2)
    world.send(guests(range(101, 102)) | {"vms_runtime": {"vms": vms_of(101, 200)}}, host_id=2)
    world.send({"vms_runtime": {"vms": vms_of(100, 101, 300)}})  # it lists the guest still, and another one
    world.send({"vms_runtime": {"vms": vms_of(100, 300)}})
    told = [(one.kind, one.host, one.subject) for one in world.recorded if one.kind.startswith("guest_")]
    assert told == [
        (EventKind.GUEST_MOVED, "pve-02", "qemu/101"),
        (EventKind.GUEST_APPEARED, "pve-01", "qemu/300"),
    ]


def vms_of(*vmids: int) -> list[dict[str, Any]]:
    return [{"vmid": vmid, "name": "web", "type": "qemu"} for vmid in vmids]


def stale(count: int, name: Callable[[int], str] = "rpool/{}".format) -> dict[str, Any]:
    datasets = [{"name": name(n), "newest_snapshot_unix": 1, "snapshot_count": 1} for n in range(count)]
    return a_medium_payload(zfs_datasets={"datasets": datasets})


def test_of_very_many_verdicts_each_is_told_in_the_end() -> None:
    world, count = World(hosts=[a_snapshot()]), 2 * MOST_CHANGES + 500
    world.wait(seconds=1)
    world.recorded.clear()
    sample = a_sample(tier="medium", payload=stale(count), collected_at=world.now)
    world.board.accept(1, [sample], world.now)
    assert len(world.recorded) == MOST_CHANGES
    world.wait(seconds=30)
    told = [event.subject for event in world.recorded if event.rule == "snapshot_age"]
    assert set(told) >= {f"rpool/{n}" for n in range(count)}
    assert len(told) == len(set(told))


def test_of_very_many_subjects_no_more_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_TRACKS", 20)
    monkeypatch.setattr(engine, "MAX_QUIET", 10)
    world = World(hosts=[a_snapshot()])
    for first in range(5):
        names = range(first * 100, (first + 1) * 100)
        pools = [a_pool(name=f"p{name}", health="FAULTED") for name in names]
        world.send({"zfs_pools": {"pools": pools}}, times=12)
        assert 10 <= len(world.desk.list_open()) <= 20


def a_tree(width: int, depth: int) -> list[dict[str, Any]]:
    vdevs: list[dict[str, Any]] = []
    for level in range(depth):
        vdevs = [{"name": f"v{level}-{n}", "children": vdevs if n == 0 else []} for n in range(width)]
    return vdevs


def test_more_vdevs_than_a_page_could_show_are_refused() -> None:
    def read(width: int, depth: int) -> int:
        pools = {"zfs_pools": {"pools": [a_pool(vdevs=a_tree(width, depth))]}}
        return len(read_message(a_message(a_wire_sample(payload=pools)), 1, datetime.now(UTC)))

    assert read(100, MOST_PARTS // 100) == 1
    with pytest.raises(SampleError, match=r"samples\[0\].payload of tier fast: .*more than 10000 vdevs"):
        read(101, MOST_PARTS // 100)


def test_vdevs_are_walked_parents_first() -> None:
    tree = [Vdev(name="a", children=(Vdev(name="b", children=(Vdev(name="c"),)), Vdev(name="d"))), Vdev(name="e")]
    walked = [(depth, vdev.name) for depth, vdev in walk_vdevs(tree)]
    assert walked == [(0, "a"), (1, "b"), (2, "c"), (1, "d"), (0, "e")]
    assert list(walk_vdevs(None)) == []
