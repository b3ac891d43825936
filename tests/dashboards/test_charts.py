"""What a chart may ask of the past, and the columns that it is answered with."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from dashboards.charts import LONGEST, MOST_LINES, Charts, read_request, significant, write_columns
from dashboards.host import HostPage
from proxmon.bus import Changes
from proxmon.errors import StoreUnavailableError
from proxmon.series import SeriesKind, SeriesRequest
from proxmon.seriesrows import SeriesRows
from tests.builders import NOW, a_fast_payload, a_guest, a_pool, a_sample, a_snapshot
from tests.dashboards.parts import a_monitor, a_newest, a_series

HOUR = timedelta(hours=1)


def a_request(kind: SeriesKind = SeriesKind.HOST, **changes: Any) -> SeriesRequest:
    return SeriesRequest(**({"host_id": 1, "kind": kind, "since": NOW - HOUR, "until": NOW} | changes))


def a_wish(**changes: Any) -> dict[str, Any]:
    return {"to": "charts", "kind": "host", "id": 7, "seconds": 3600} | changes


def columns(rows: SeriesRows, request: SeriesRequest | None = None) -> dict[str, Any]:
    return json.loads(write_columns(rows, request or a_request())[1])


def answered(charts: Charts, **changes: Any) -> dict[str, Any]:
    return asyncio.run(charts.answer(a_wish(**changes), a_newest()))


async def one_series(request: SeriesRequest) -> SeriesRows:
    return a_series(request)


def test_a_named_span_ends_at_the_moment_that_the_page_shows() -> None:
    request = read_request(a_wish(), a_newest(now=NOW))
    assert (request.host_id, request.kind, request.since, request.until) == (1, SeriesKind.HOST, NOW - HOUR, NOW)


def test_a_dragged_span_is_taken_as_it_is_but_never_past_the_page_s_moment() -> None:
    since, until = (NOW - 3 * HOUR).timestamp(), (NOW - HOUR).timestamp()
    request = read_request(a_wish(since=since, until=until), a_newest())
    assert (request.since, request.until) == (NOW - 3 * HOUR, NOW - HOUR)
    assert read_request(a_wish(since=since, until=until + 9e6), a_newest()).until == NOW


@pytest.mark.parametrize(("wish", "span"), [({"seconds": 1e12}, LONGEST), ({"seconds": 0}, timedelta(minutes=1))])
def test_a_span_has_bounds(wish: dict[str, Any], span: timedelta) -> None:
    if wish["seconds"] > 1e10:
        wish = {"since": 0, "until": NOW.timestamp()}
    request = read_request(a_wish(**wish), a_newest())
    assert request.until - request.since == span


@pytest.mark.parametrize(("asked", "given"), [(400, 400), (10**9, 600), (1, 60)])
def test_no_chart_gets_more_points_than_it_can_show(asked: int, given: int) -> None:
    assert read_request(a_wish(points=asked), a_newest()).points == given


def test_the_answer_has_one_list_a_column_over_one_list_of_times() -> None:
    answer = columns(a_series(a_request()))
    assert answer["at"] == [NOW.timestamp() - 60 * minutes for minutes in (3, 2, 1)]
    assert answer["resolution"] == 60
    load = answer["lines"][0]
    assert load == {"metric": "load1", "subject": "", "mean": [1, 1, 1], "min": [0.5, 0.5, 0.5], "max": [2, 2, 2]}


def test_only_the_columns_that_are_drawn_are_sent() -> None:
    metrics = [line["metric"] for line in columns(a_series(a_request()))["lines"]]
    assert metrics == ["load1", "cpu_percent", "mem_used_bytes", "arc_bytes", "mem_total_bytes"]


def test_a_step_of_one_sample_has_no_band() -> None:
    rows = a_series(a_request())
    same = {f"load1_{part}": rows.values["load1_mean"] for part in ("min", "max")}
    assert set(columns(replace(rows, values={**rows.values, **same}))["lines"][0]) == {"metric", "subject", "mean"}


def test_a_pool_that_came_later_is_missing_before() -> None:
    request = a_request(SeriesKind.ZPOOL)
    rows = a_series(request, "rpool", "tank")
    values = {name: np.delete(column, 1) for name, column in rows.values.items()}
    rows = SeriesRows(np.delete(rows.at, 1), np.delete(rows.subjects, 1), values, 60.0)
    tank, rpool = columns(rows, request)["lines"][::-1]
    assert (tank["subject"], tank["mean"]) == ("tank", [None, 1, 1])
    assert rpool["mean"] == [1, 1, 1]


def test_of_many_guests_the_largest_are_shown() -> None:
    request = a_request(SeriesKind.GUEST)
    names = [f"qemu/{number}" for number in range(100, 120)]
    load = [float(number) for _ in range(3) for number in range(20)]
    lines = columns(a_series(request, *names, cpu_percent=load), request)["lines"]
    assert [line["subject"] for line in lines if line["metric"] == "cpu_percent"] == names[-MOST_LINES:]


def test_a_storage_s_use_is_a_share() -> None:
    request = a_request(SeriesKind.STORAGE)
    rows = a_series(request, "local", used_bytes=[50.0, 50.0, 50.0], total_bytes=[200.0, 0.0, 200.0])
    assert columns(rows, request)["lines"][0]["mean"] == [25, None, 25]


def test_no_samples_give_no_lines() -> None:
    answer = columns(a_series(a_request(), steps=0))
    assert (answer["at"], answer["lines"]) == ([], [])


def test_values_keep_four_digits() -> None:
    values = np.array([0.123456, 33_554_432_123.0, math.nan, 12.0])
    assert significant(values) == [0.1235, 33_550_000_000, None, 12]


def test_a_store_that_cannot_answer_is_told_in_its_words() -> None:
    async def fail(request: SeriesRequest) -> SeriesRows:
        raise StoreUnavailableError("The store is being opened.")

    assert answered(Charts(fail)) == {"to": "charts", "kind": "host", "id": 7, "failed": "The store is being opened."}


@pytest.mark.parametrize("wish", [{"kind": "secrets"}, {"seconds": "many"}, {"since": math.inf, "until": 0}])
def test_a_wish_that_makes_no_sense_fails_in_words(wish: dict[str, Any]) -> None:
    assert "could not be read" in answered(Charts(one_series), **wish)["failed"]


async def two_guests(request: SeriesRequest) -> SeriesRows:
    return a_series(request, "qemu/100", "lxc/7")


def guest_lines(**wish: Any) -> dict[str, Any]:
    newest = a_newest(a_snapshot(a_sample(payload=a_fast_payload(vms_runtime={"vms": [a_guest(name="web-01")]}))))
    return asyncio.run(Charts(two_guests).answer(a_wish(kind="guest", **wish), newest))


def test_a_guest_s_line_has_its_name() -> None:
    assert guest_lines()["names"] == {"qemu/100": "100 web-01"}
    assert answered(Charts(one_series))["names"] == {}


def test_one_guest_can_be_shown_alone() -> None:
    def subjects(**wish: Any) -> set[str]:
        return {line["subject"] for line in json.loads(guest_lines(**wish)["columns"])["lines"]}

    assert subjects() == {"qemu/100", "lxc/7"}
    assert subjects(subject="lxc/7") == {"lxc/7"}
    assert subjects(subject="qemu/999") == set()


def test_a_new_sample_is_one_value_a_line() -> None:
    charts = Charts(one_series)
    assert list(charts.follow(a_newest())) == []
    answered(charts)
    sample = a_sample(payload=a_fast_payload(zfs_pools={"pools": [a_pool()]}))
    (message,) = charts.follow(a_newest(a_snapshot(sample)))
    assert message["point"] == {
        "at": NOW.timestamp(),
        "values": {"host": [0.5, 12.5, 8 * 2**30, 4 * 2**30, 32 * 2**30]},
    }
    assert list(charts.follow(a_newest(a_snapshot(sample)))) == []


def test_a_page_answers_its_charts_and_then_follows() -> None:
    monitor = a_monitor(a_snapshot(a_sample()))
    page = HostPage(monitor=monitor, host_name="pve-01")
    page.context()
    heard: list[dict[str, Any]] = []
    page._send = heard.extend  # type: ignore[method-assign]
    asyncio.run(page.receive(a_wish()))
    assert json.loads(heard[0]["columns"])["lines"]
    later = a_sample(collected_at=NOW + timedelta(seconds=10))
    monitor.board.fleet.accept(1, [later], NOW + timedelta(seconds=10))
    monitor.board._judge(monitor.board.fleet.find(1))
    assert [one["point"]["at"] for one in page.refresh(Changes(frozenset({1}))) if "point" in one] == [
        NOW.timestamp() + 10
    ]
