"""The simulated pools: trees, failing disks and scrubs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from proxmon.demo.failures import HEALED_SECONDS, PAST_FAILURE, REPLACED_SECONDS, ROUND_SECONDS
from proxmon.demo.machine import demo_host
from proxmon.demo.roles import PLANNED, Role
from proxmon.demo.scans import monthly_scrub, scrub_seconds, second_sunday, weekly_scrub
from proxmon.demo.zpools import MAIN_POOL, Moment, pool_row
from proxmon.payload import Pool, Vdev
from proxmon.vdevs import walk_vdevs

BEGIN = datetime(2026, 11, 25, 14, 0, tzinfo=UTC).timestamp()
FAILING = PLANNED.index(Role.FAILING)


def a_pool(index: int = FAILING, place: int = MAIN_POOL, seconds: float = 0) -> Pool:
    row = pool_row(index, place, demo_host(index).layouts[place], Moment(BEGIN + seconds, BEGIN))
    return msgspec.convert(row, Pool)


def walk(vdevs: tuple[Vdev, ...] | None) -> list[Vdev]:
    return [vdev for _, vdev in walk_vdevs(vdevs)]


def find_state(pool: Pool, state: str) -> list[Vdev]:
    return [vdev for vdev in walk(pool.vdevs) if vdev.state == state and not vdev.children]


def test_a_fault_leaves_the_pool_degraded_with_the_disk_that_failed() -> None:
    pool = a_pool(seconds=1)
    assert pool.health == "DEGRADED"
    assert len(find_state(pool, "FAULTED")) == 1
    assert pool.error_count
    assert pool.degraded_vdev_count == 2


def test_the_new_disk_is_resilvered_with_growing_percent() -> None:
    seconds = range(int(REPLACED_SECONDS), int(HEALED_SECONDS), 10)
    scans = [a_pool(seconds=second).scan for second in seconds]
    assert all(scan and (scan.function, scan.state) == ("resilver", "scanning") for scan in scans)
    percents = [scan.percent for scan in scans if scan and scan.percent is not None]
    assert percents[0] == 0
    assert percents == sorted(set(percents))
    assert [vdev.kind for vdev in walk(a_pool(seconds=REPLACED_SECONDS).vdevs)].count("replacing") == 1


def test_redundancy_is_less_until_the_new_disk_is_filled() -> None:
    left = [a_pool(seconds=seconds).redundancy_left for seconds in (0, REPLACED_SECONDS, HEALED_SECONDS)]
    assert left == [0, 0, 1]


def test_the_healed_pool_has_another_disk_and_no_errors() -> None:
    faulted, healed = a_pool(seconds=1), a_pool(seconds=HEALED_SECONDS)
    assert (healed.health, healed.error_count) == ("ONLINE", 0)
    assert find_state(faulted, "FAULTED")[0].name not in [vdev.name for vdev in walk(healed.vdevs)]


def test_the_disk_that_replaced_the_first_fails_next() -> None:
    healed, faulted = a_pool(seconds=HEALED_SECONDS), a_pool(seconds=ROUND_SECONDS + 1)
    assert find_state(faulted, "FAULTED")[0].name in [vdev.name for vdev in walk(healed.vdevs)]


def test_after_a_resilver_the_pool_no_longer_tells_its_last_scrub() -> None:
    assert a_pool(seconds=1).last_scrub_end is not None
    assert a_pool(seconds=HEALED_SECONDS).last_scrub_end is None


def test_in_the_past_a_disk_failed_once_and_a_scrub_verified_the_new_one() -> None:
    hours = range(-30 * 24, 0)
    degraded = [hour for hour in hours if a_pool(seconds=hour * 3600).health != "ONLINE"]
    assert degraded == list(range(-9 * 24, -9 * 24 + 12))
    scan = a_pool(seconds=(PAST_FAILURE.verified_from or 0) + 3600).scan
    assert scan is not None
    assert (scan.function, scan.state) == ("scrub", "scanning")


def test_the_fleet_has_every_class_and_the_usual_kinds_of_vdevs() -> None:
    vdevs = [vdev for index in range(40) for vdev in walk(a_pool(index).vdevs)]
    assert {vdev.vdev_class for vdev in vdevs} == {"data", "log", "cache", "special", "spare"}
    assert {vdev.kind for vdev in vdevs} >= {"mirror", "raidz2", "disk"}


def test_no_disk_stands_in_two_places() -> None:
    places = [(index, place) for index in range(60) for place in range(len(demo_host(index).layouts))]
    names = [vdev.name for where in places for vdev in walk(a_pool(*where).vdevs) if not vdev.children]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("year", "month", "day"), [(2026, 11, 8), (2026, 12, 13), (2026, 2, 8), (2027, 8, 8), (2028, 1, 9)]
)
def test_scrubs_begin_on_the_second_sunday(year: int, month: int, day: int) -> None:
    assert second_sunday(year, month) == datetime(year, month, day, tzinfo=UTC)


def test_a_scrub_runs_for_hours_with_percent_and_ends() -> None:
    started = datetime(2026, 12, 13, 0, 24, tzinfo=UTC).timestamp()
    assert monthly_scrub(2, "tank", started - 1).starts_at < started
    scrub = monthly_scrub(2, "tank", started + 3600)
    assert scrub.starts_at == started
    assert scrub.row(started + 3600)["state"] == "scanning"
    assert scrub.row(started + scrub_seconds(2, "tank", started))["state"] == "finished"


def test_boot_pools_are_scrubbed_each_sunday_in_about_the_same_time() -> None:
    sunday = datetime(2026, 12, 13, 0, 24, tzinfo=UTC).timestamp()
    for seconds, starts_at in ((-1, sunday - 7 * 86_400), (0, sunday), (6 * 86_400, sunday), (7 * 86_400 - 1, sunday)):
        assert weekly_scrub(2, "rpool", sunday + seconds).starts_at == starts_at
    lasted = [
        scan.ends_at - scan.starts_at for scan in (weekly_scrub(2, "rpool", BEGIN + 7 * 86_400 * n) for n in range(9))
    ]
    assert len(set(lasted)) == 9
    assert max(lasted) < 1.2 * min(lasted)


def test_no_scrub_of_a_monthly_series_is_ever_too_old() -> None:
    for day in range(800):
        now = BEGIN + day * 86_400.0
        scrub = monthly_scrub(3, "tank", now)
        assert scrub.ends_at > now or now - scrub.ends_at < timedelta(days=35).total_seconds()
