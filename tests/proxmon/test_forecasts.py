"""Forecasts of a fleet: of what is there, given to its hosts, and judged where somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from proxmon.board import Board
from proxmon.bus import Bus
from proxmon.config import RuleSettings
from proxmon.findings import Verdict
from proxmon.fleet import Fleet, HostSnapshot
from proxmon.forecast import DailyValues, Forecast, ForecastKey, Quota
from proxmon.forecasts import ForecastDesk, forecast_all, list_quotas
from proxmon.rulebook.book import RuleBook
from proxmon.rulebook.reading import read_rules
from proxmon.status import HostStatus, evaluate
from tests.builders import NOW, a_dataset, a_fast_payload, a_medium_payload, a_sample, a_snapshot

GROWING = tuple(100.0 + 10 * day for day in range(30))
KEY: ForecastKey = ("zpool", "rpool")
ON = "[[days_until_full]]\non = true\n"


class Daily:
    """Gives the same daily values for every subject, and remembers the quotas."""

    def __init__(self, *keys: ForecastKey) -> None:
        self.keys = keys
        self.quotas: Sequence[Quota] = ()
        self.asked = 0

    def list_daily(self, until: datetime, days: int, quotas: Sequence[Quota]) -> list[DailyValues]:
        self.quotas, self.asked = quotas, self.asked + 1
        return [DailyValues(1, kind, subject, GROWING, 1000.0) for kind, subject in self.keys]


def a_storage(**changes: object) -> dict[str, object]:
    return {"name": "local", "type": "dir", "used_bytes": 1, "total_bytes": 2, "active": True} | changes


def test_what_is_there_is_forecast_and_nothing_else() -> None:
    storages = [a_storage(), a_storage(name="zfs", type="zfspool"), a_storage(name="nfs", active=False)]
    host = a_snapshot(a_sample(payload=a_fast_payload(storage={"storages": storages})))
    keys = [KEY, ("zpool", "gone"), ("storage", "local"), ("storage", "zfs"), ("storage", "nfs")]
    assert set(forecast_all(Daily(*keys), [host], NOW)[1]) == {KEY, ("storage", "local")}


def test_datasets_are_asked_for_by_their_smaller_quota() -> None:
    rows = [
        a_dataset(name="rpool/a", quota_bytes=500, refquota_bytes=300),
        a_dataset(name="rpool/b", quota_bytes=0),
        a_dataset(name="rpool/c"),
    ]
    host = a_snapshot(a_sample(), a_sample(tier="medium", payload=a_medium_payload(zfs_datasets={"datasets": rows})))
    assert list_quotas(host) == [Quota(1, "rpool/a", 300)]
    store = Daily(("dataset", "rpool/a"), ("dataset", "rpool/b"))
    assert set(forecast_all(store, [host], NOW)[1]) == {("dataset", "rpool/a")}


def test_hosts_learn_their_forecasts_and_keep_them_with_new_samples() -> None:
    board = Board(Fleet([a_snapshot()]), RuleSettings(), Bus(), lambda: NOW)
    asyncio.run(ForecastDesk(Daily(KEY), board).refresh())
    later = NOW + timedelta(seconds=10)
    board.accept(1, [a_sample(collected_at=later)], later)
    judged = board.find(1)
    assert judged is not None
    assert judged.snapshot.forecasts[KEY].days == pytest.approx(61)


def test_forecasts_are_made_at_the_start_and_then_each_hour() -> None:
    async def live() -> int:
        now = [NOW]
        store = Daily(KEY)
        desk = ForecastDesk(store, Board(Fleet([a_snapshot()]), RuleSettings(), Bus(), lambda: now[0]))
        for minutes in (0, 30, 59, 61, 90):
            now[0] = NOW + timedelta(minutes=minutes)
            desk.tick()
            while desk._task is not None:  # pyright: ignore[reportPrivateUsage]
                await asyncio.sleep(0)
        return store.asked

    assert asyncio.run(live()) == 2


# The rule.


def with_forecast(**values: object) -> HostSnapshot:
    return replace(a_snapshot(), forecasts={KEY: Forecast(NOW, **values)})  # pyright: ignore[reportArgumentType]


def judge(host: HostSnapshot, text: str = ON) -> HostStatus:
    return evaluate(host, RuleBook(RuleSettings(), read_rules(text, RuleSettings())), NOW)


@pytest.mark.parametrize(
    ("days", "verdict"),
    [(14.0, Verdict.OK), (13.9, Verdict.WARNING), (3.0, Verdict.WARNING), (2.9, Verdict.CRITICAL)],
)
def test_what_is_full_before_long(days: float, verdict: Verdict) -> None:
    found = judge(with_forecast(days=days)).find("days_until_full")
    assert found is not None
    assert (found.verdict, found.subject, found.value) == (verdict, "rpool", days)


def test_a_forecast_changes_no_light_unless_somebody_wants_it() -> None:
    assert judge(with_forecast(days=1.0), "").find("days_until_full") is None


def test_what_does_not_grow_passes_and_what_cannot_be_told_is_not_judged() -> None:
    passed = judge(with_forecast(why="It does not grow.")).find("days_until_full")
    assert passed is not None
    assert passed.verdict is Verdict.OK
    for host in (with_forecast(why="There are 3 days of history; 10 are needed."), a_snapshot()):
        status = judge(host)
        assert status.find("days_until_full") is None
        assert "days_until_full" in {one.rule for one in status.skipped}


def test_a_pool_has_its_own_days() -> None:
    text = ON + '[[days_until_full]]\nvolume = "rpool"\nwarning_days = 60\n'
    found = judge(with_forecast(days=50.0), text).find("days_until_full")
    assert found is not None
    assert (found.verdict, found.threshold) == (Verdict.WARNING, "warning below 60 d, critical below 3 d")
