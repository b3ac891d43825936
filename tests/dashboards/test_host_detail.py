"""A host's page inside a notebook."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pandas as pd
import pytest

import dashboards
from dashboards.host_detail import HostDetail, _while_alive, still, stylesheet
from dashboards.sections import SECTIONS, render_section
from proxmon.answers import host_answer
from proxmon.board import JudgedHost
from proxmon.client.judged import read_judged
from proxmon.errors import NotFoundError, ProxmonError
from proxmon.fleet import HostSnapshot
from tests.builders import NOW, a_fast_payload, a_guest, a_host, a_pool, a_sample, a_snapshot
from tests.dashboards.parts import a_judged, a_newest


@dataclass
class FleetOfOne:
    """A fleet with one host, which may stop to answer."""

    snapshot: HostSnapshot
    error: ProxmonError | None = None
    asked: int = 0

    def host(self, name: str, at: datetime | None = None) -> JudgedHost:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return read_judged(msgspec.json.decode(msgspec.json.encode(host_answer(a_judged(self.snapshot), NOW))))

    def now(self) -> datetime:
        return NOW

    def series(self, host: str, column: str, *, since: str, until: datetime, resolution: str) -> Any:
        at = pd.DatetimeIndex([NOW - timedelta(minutes=2), NOW - timedelta(minutes=1)], name="observed_at")
        subject = "rpool" if column == "capacity_percent" else ""
        return pd.DataFrame({"subject": [subject, subject], "value": [1.0, 2.0]}, index=at)


def texts(detail: HostDetail) -> str:
    return detail._first.html + detail._rest.html


def values(detail: HostDetail, column: str) -> list[float]:
    return list(detail._charts._sources[column, ""].data["value"])


def test_what_comes_over_http_is_judged_as_the_page_judges_it() -> None:
    judged = a_judged()
    again = FleetOfOne(judged.snapshot).host("pve-01")
    assert [replace(one, valid_until=None, details=()) for one in judged.status.findings] == [
        replace(one, details=()) for one in again.status.findings
    ]
    assert (again.status.status, again.name) == (judged.status.status, "pve-01")
    for name in SECTIONS:
        assert render_section(name, a_newest(again.snapshot)) == render_section(name, a_newest(judged.snapshot))


def test_it_shows_the_sections_of_the_page_and_leads_nowhere() -> None:
    text = texts(HostDetail(FleetOfOne(a_snapshot()), "pve-01"))
    for section in ("metrics", "findings", "zpools", "storages", "system", "guests", "snapshots"):
        assert f'data-section="{section}"' in text
    for word in ("pve-01", "rpool", "web-01", "rpool/data", "local-zfs", "9.1.2"):
        assert word in text
    assert "<time" not in text
    assert "href" not in text


def test_hostile_names_are_text() -> None:
    evil = "<img src=x onerror=alert(1)>"
    fast = a_sample(
        payload=a_fast_payload(zfs_pools={"pools": [a_pool(name=evil)]}, vms_runtime={"vms": [a_guest(name=evil)]})
    )
    text = texts(HostDetail(FleetOfOne(a_snapshot(fast)), "pve-01"))
    assert evil not in text
    assert "&lt;img" in text


def test_it_follows_the_host_and_its_charts_grow() -> None:
    fleet = FleetOfOne(a_snapshot())
    detail = HostDetail(fleet, "pve-01")
    assert values(detail, "load1") == [1, 2]
    host = a_fast_payload()["host"] | {"load1": 7.25}
    newer = a_sample(payload=a_fast_payload(host=host), collected_at=NOW + timedelta(seconds=10))
    fleet.snapshot = a_snapshot(newer)
    detail.refresh()
    detail.refresh()
    assert "7.25" in texts(detail)
    assert values(detail, "load1") == [1, 2, 7.25]


def test_without_an_answer_the_last_one_stays_and_it_is_said_why() -> None:
    fleet = FleetOfOne(a_snapshot())
    detail = HostDetail(fleet, "pve-01")
    fleet.error = ProxmonError("Look at the server: it does not answer.")
    detail.refresh()
    assert "it does not answer" in texts(detail)
    assert "rpool" in texts(detail)
    fleet.error = None
    detail.refresh()
    assert "it does not answer" not in texts(detail)


def test_a_host_that_is_not_there_is_an_error_at_once() -> None:
    with pytest.raises(NotFoundError):
        HostDetail(FleetOfOne(a_snapshot(), NotFoundError("There is none.")), "pve-99")


def test_a_host_that_never_connected_is_shown() -> None:
    assert "never connected" in texts(HostDetail(FleetOfOne(HostSnapshot(a_host())), "pve-01"))


def test_it_refreshes_by_itself_until_it_is_gone() -> None:
    fleet = FleetOfOne(a_snapshot())
    detail = HostDetail(fleet, "pve-01")
    callback = _while_alive(detail._refresh)
    asyncio.run(callback())
    assert fleet.asked == 2
    gone = weakref.ref(detail)
    del detail
    gc.collect()
    assert gone() is None
    asyncio.run(callback())
    assert fleet.asked == 2


def test_the_past_does_not_refresh() -> None:
    detail = HostDetail(FleetOfOne(a_snapshot()), "pve-01", at=NOW)
    detail.__panel__()
    assert detail._timer is None


def test_its_styles_hold_in_a_shadow_root_and_load_nothing() -> None:
    css = stylesheet()
    assert ":root" not in css
    assert css.count("url(") == css.count('url("data:')
    assert "--surface" in css


def test_times_are_words() -> None:
    newest = a_newest()
    assert "10 d ago" in still(render_section("zpools", newest), newest)


def test_it_is_found_where_the_docs_say() -> None:
    assert dashboards.HostDetail is HostDetail
