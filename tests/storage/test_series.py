"""A series says what the samples of its span said, in steps that fit its points, from what is still kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal

from proxmon.config import RetentionSettings
from proxmon.fleet import Host
from proxmon.series import METRICS, SeriesKind, SeriesRequest
from storage import Store
from storage.series import Held, make_plan
from tests.builders import DAY, NOW, a_fast_payload, a_guest, a_pool, a_sample
from tests.storage.conftest import SECRET

NEVER = datetime(2000, 1, 3, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def fill(store: Store, host: Host, since: datetime, count: int, every: timedelta = 10 * SECOND) -> None:
    """Store fast samples whose load counts up from 0."""
    payloads = [{"host": {"load1": float(n)}} for n in range(count)]
    samples = [a_sample(host.id, payload=load, collected_at=since + n * every) for n, load in enumerate(payloads)]
    store.append(samples).result()
    store.settle()


def ask(store: Store, host: Host, since: datetime, until: datetime, **changes: Any) -> Any:
    """Return the series of a host as a DataFrame, whose ``attrs`` have the length of a step."""
    rows = store.series(SeriesRequest(host.id, changes.pop("kind", SeriesKind.HOST), since, until, **changes))
    assert (rows.at.dtype, {column.dtype for column in rows.values.values()}) == ("datetime64[us]", {np.dtype(float)})
    frame = pd.DataFrame({"at": rows.at, "subject": rows.subjects, **rows.values})
    frame["at"] = frame["at"].dt.tz_localize("UTC")
    frame.attrs["resolution_seconds"] = rows.resolution_seconds
    return frame


def test_a_host_without_samples_has_an_empty_series(store: Store, host: Host) -> None:
    for kind, metrics in METRICS.items():
        frame = ask(store, host, NOW - HOUR, NOW, kind=kind)
        assert len(frame) == 0
        values = [f"{metric}_{name}" for metric in metrics for name in ("min", "mean", "max", "last")]
        assert list(frame.columns) == ["at", "subject", *values]


def test_an_hour_shows_each_row_as_it_is(store: Store, host: Host) -> None:
    fill(store, host, NOW, 360)
    frame = ask(store, host, NOW, NOW + HOUR)
    assert frame["at"].to_list() == [NOW + n * 10 * SECOND for n in range(360)]
    for name in ("min", "mean", "max", "last"):
        assert frame[f"load1_{name}"].to_list() == list(range(360))
    assert frame.attrs == {"resolution_seconds": 10.0}


def test_a_longer_span_has_steps_of_several_rows(store: Store, host: Host) -> None:
    fill(store, host, NOW, 12)
    frame = ask(store, host, NOW, NOW + HOUR, points=60)
    assert frame.attrs == {"resolution_seconds": 60.0}
    assert frame["at"].to_list() == [NOW, NOW + MINUTE]
    values = frame[["load1_min", "load1_mean", "load1_max", "load1_last"]].to_numpy().tolist()
    assert values == [[0, 2.5, 5, 5], [6, 8.5, 11, 11]]


def test_a_step_is_never_so_short_that_it_has_no_sample_now_and_then(store: Store, host: Host) -> None:
    fill(store, host, NOW, 12)
    assert ask(store, host, NOW, NOW + HOUR, points=350).attrs["resolution_seconds"] == 30


def test_steps_without_samples_are_missing(store: Store, host: Host) -> None:
    fill(store, host, NOW, 2, every=10 * MINUTE)
    assert ask(store, host, NOW, NOW + HOUR, points=60)["at"].to_list() == [NOW, NOW + 10 * MINUTE]


def test_an_unknown_value_is_nan(store: Store, host: Host) -> None:
    fill(store, host, NOW, 1)
    frame = ask(store, host, NOW, NOW + HOUR)
    assert frame["load5_mean"].isna().all()


def test_the_subjects_are_pools_storages_and_guests(store: Store, host: Host) -> None:
    pools = {"pools": [a_pool(name="tank"), a_pool(name="rpool")]}
    guests = {"vms": [a_guest(), a_guest(vmid=101, type="lxc")]}
    store.append([a_sample(host.id, payload=a_fast_payload(zfs_pools=pools, vms_runtime=guests))]).result()
    store.settle()
    subjects = {kind: ask(store, host, NOW, NOW + HOUR, kind=kind)["subject"].to_list() for kind in SeriesKind}
    assert subjects == {
        "host": [""],
        "zpool": ["rpool", "tank"],
        "storage": ["local-zfs"],
        "guest": ["lxc/101", "qemu/100"],
    }


def test_rows_that_no_minute_has_yet_show_in_a_long_span() -> None:
    """As of a host that was added just now, in a store that has deleted old rows of others."""
    held = Held(10 * SECOND, NOW - 14 * DAY, NOW - 90 * DAY, NEVER, NEVER)
    for span in (DAY, 12 * DAY, 60 * DAY):
        plan = make_plan(SeriesRequest(1, SeriesKind.HOST, NOW - span, NOW), held)
        assert plan.rows <= NOW - min(span, 14 * DAY)


def test_rolled_up_or_not_a_series_is_the_same(store: Store, host: Host) -> None:
    fill(store, host, NOW - 5 * HOUR, 1810)
    spans = [(NOW - DAY, NOW), (NOW - 3 * DAY, NOW + 10 * SECOND), (NOW - 20 * DAY, NOW - HOUR), (NOW - 400 * DAY, NOW)]
    rows = [ask(store, host, since, until) for since, until in spans]
    store.keep_up(NOW)
    for (since, until), frame in zip(spans, rows, strict=True):
        assert_frame_equal(ask(store, host, since, until), frame)
    assert [frame.attrs["resolution_seconds"] for frame in rows] == [180, 600, 3600, 86_400]
    assert rows[0]["load1_last"].to_list()[-1] == 1800


def test_nothing_after_the_end_shows_although_its_hour_is_rolled_up(store: Store, host: Host) -> None:
    fill(store, host, NOW - 2 * HOUR, 720)
    store.keep_up(NOW)
    until = NOW - 90 * MINUTE - 25 * SECOND
    for days in (1, 30):
        assert ask(store, host, until - days * DAY, until)["load1_last"].to_list()[-1] == 177


def test_what_is_too_old_for_rows_comes_by_the_minute_or_the_hour(directory: Path) -> None:
    store = Store.open(directory, retention=RetentionSettings())
    host = store.add_host("pve-01", SECRET, NOW - DAY)
    for days in (200, 20, 0):
        fill(store, host, NOW - days * DAY, 7)
    store.keep_up(NOW + DAY)
    spans = {days: ask(store, host, NOW - days * DAY, NOW - days * DAY + HOUR) for days in (200, 20, 0)}
    store.close()
    assert {days: frame.attrs["resolution_seconds"] for days, frame in spans.items()} == {200: 3600, 20: 60, 0: 10}
    assert {days: frame["load1_max"].to_list()[-1] for days, frame in spans.items()} == {200: 6, 20: 6, 0: 6}
    assert [len(frame) for frame in spans.values()] == [1, 2, 7]


def test_a_week_of_guests_comes_by_the_hour(store: Store, host: Host) -> None:
    assert ask(store, host, NOW - 7 * DAY, NOW, kind=SeriesKind.GUEST).attrs["resolution_seconds"] == 3600
    assert ask(store, host, NOW - 7 * DAY, NOW).attrs["resolution_seconds"] == 1200


def test_other_hosts_do_not_show(store: Store, host: Host) -> None:
    fill(store, host, NOW, 3)
    assert len(ask(store, store.add_host("pve-02", SECRET, NOW - DAY), NOW, NOW + HOUR)) == 0
