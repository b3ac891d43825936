"""Each scrub is stored once, and of a host that makes scrubs up only so many are remembered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from proxmon.samples import Sample
from storage import Store, knownscrubs
from storage.knownscrubs import KnownScrubs, Scrub
from tests.builders import NOW, a_sample, iso
from tests.storage.conftest import SECRET

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def telling(*ends: float, pool: str = "tank", host_id: int = 1, received: timedelta = timedelta(0)) -> Sample:
    """Return a sample that tells of scrubs of as many pools, each ended so many seconds before it."""
    pools = [{"name": f"{pool}{n}", "last_scrub_end": iso(NOW - end * SECOND)} for n, end in enumerate(ends)]
    return a_sample(host_id, payload={"zfs_pools": {"pools": pools}}, received_at=NOW + received)


def test_what_was_told_once_is_not_new() -> None:
    known = KnownScrubs()
    new = known.find_new([telling(10, 20), telling(10, 30)])
    assert [(one.pool, one.ended_at) for one in new] == [
        ("tank0", NOW - 10 * SECOND),
        ("tank1", NOW - 20 * SECOND),
        ("tank1", NOW - 30 * SECOND),
    ]
    assert known.find_new([telling(10)]) == [new[0]]  # nothing was stored yet
    known.add(new)
    assert known.find_new([telling(10, 20), telling(10, 30)]) == []
    assert len(known.find_new([telling(10, host_id=2)])) == 1


def test_so_many_are_remembered_in_a_day(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(knownscrubs, "MOST_A_DAY", 5)
    known = KnownScrubs()
    for _ in range(2):
        known.add(known.find_new([telling(*range(3))]))
        known.add(known.find_new([telling(*range(10, 17))]))
    assert len(known.find_new([telling(1, host_id=2)])) == 1
    assert len(known.find_new([telling(*range(20, 29), received=DAY)])) == 5
    assert caplog.messages[0] == "Host 1 tells of 5 scrubs in a day: of more none is remembered"
    known.forget(1)
    assert len(known.find_new([telling(*range(3))])) == 3


def test_of_too_many_those_that_came_last_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knownscrubs, "MOST_KNOWN", 4)
    known = KnownScrubs()
    known.add(known.find_new([telling(*range(6))]))
    assert [one.pool for one in known.find_new([telling(*range(6))])] == ["tank0", "tank1"]


def test_of_one_scrub_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knownscrubs, "MOST_WORDS", 2)
    known = KnownScrubs()
    told = [Scrub(1, "tank", float(n), NOW, NOW + n * SECOND, NOW + n * SECOND) for n in range(5)]
    known.add(told)
    assert any(told[4].is_told_by(one) for one in known._find(told[4]))  # pyright: ignore[reportPrivateUsage]
    assert len(known._find(told[0])) == 2  # pyright: ignore[reportPrivateUsage]


def test_a_start_reads_no_more_than_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path)
    host = store.add_host("pve-01", SECRET, NOW)
    for number in range(4):
        sample = telling(*range(5), pool=f"p{number}-", host_id=host.id)
        store.append([replace(sample, collected_at=NOW + number * SECOND)]).result()
    store.close()
    monkeypatch.setattr("storage.ledger.MOST_KNOWN", 7)
    monkeypatch.setattr("storage.registry.MOST_POOLS", 3)
    store = Store.open(tmp_path)
    [found] = store.snapshot(NOW + DAY).hosts
    assert set(found.scrubs) == {"p0-0", "p1-0", "p2-0"}
    known = store._writer.ledger.scrubs  # pyright: ignore[reportPrivateUsage]
    again = [telling(*range(5), pool=f"p{number}-", host_id=host.id) for number in range(4)]
    assert len(known.find_new(again)) == 20 - 7
    store.close()
