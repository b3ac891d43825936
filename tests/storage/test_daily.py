"""One value a day, for forecasts."""

from __future__ import annotations

from datetime import timedelta

from proxmon.fleet import Host
from proxmon.forecast import DailyValues, Quota
from storage import Store
from tests.builders import DAY, NOW, a_dataset, a_fast_payload, a_medium_payload, a_pool, a_sample

HOUR = timedelta(hours=1)


def fill(store: Store, host: Host) -> None:
    for day in (3, 2, 0):
        at = NOW - day * DAY - 2 * HOUR
        for hours, size in ((0, 100 - 10 * day), (1, 105 - 10 * day)):
            pools = {"pools": [a_pool(alloc_bytes=size, size_bytes=1000)]}
            rows = [a_dataset(name="rpool/a", used_bytes=size), a_dataset(name="rpool/b")]
            moment = at + hours * HOUR
            store.append(
                [
                    a_sample(host.id, payload=a_fast_payload(zfs_pools=pools), collected_at=moment),
                    a_sample(host.id, "medium", a_medium_payload(zfs_datasets={"datasets": rows}), collected_at=moment),
                ]
            ).result()
    store.keep_up(NOW)


def test_the_last_value_of_each_day_counts_back_from_the_moment(store: Store, host: Host) -> None:
    fill(store, host)
    found = {one.key: one for one in store.list_daily(NOW, 5, [Quota(host.id, "rpool/a", 500.0)])}
    values = (None, 75.0, 85.0, None, 105.0)
    assert found["zpool", "rpool"] == DailyValues(host.id, "zpool", "rpool", values, 1000.0)
    assert found["dataset", "rpool/a"] == DailyValues(host.id, "dataset", "rpool/a", values, 500.0)
    assert set(found) == {("zpool", "rpool"), ("storage", "local-zfs"), ("dataset", "rpool/a")}


def test_a_store_without_samples_has_no_daily_values(store: Store, host: Host) -> None:
    assert store.list_daily(NOW, 120, []) == []
