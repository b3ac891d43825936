"""Silences, maintenance windows and the hours of the week."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from proxmon.alerts.hours import read_hours
from proxmon.alerts.links import LIFETIME, LinkSigner
from proxmon.alerts.model import EventKind, Severity
from proxmon.alerts.records import AlertRecord, follow
from proxmon.alerts.silences import Silence, SilenceBook, read_silence
from proxmon.bus import Bus
from proxmon.errors import NotFoundError, SampleError, TokenError
from tests.builders import NOW, an_opened_alert

HOUR = timedelta(hours=1)


class SilenceMemory:
    """Keeps silences as the store does."""

    def __init__(self) -> None:
        self.rows: dict[int, Silence] = {}

    def add_silence(self, silence: Silence) -> Silence:
        numbered = replace(silence, id=len(self.rows) + 1)
        self.rows[numbered.id] = numbered
        return numbered

    def end_silence(self, silence_id: int, at: datetime) -> None:
        self.rows[silence_id] = replace(self.rows[silence_id], ends_at=at)

    def list_silences(self, at: datetime) -> list[Silence]:
        return [one for one in self.rows.values() if not one.is_over(at)]


def a_record(**changes: Any) -> AlertRecord:
    return follow(None, an_opened_alert(**({"alert_id": 7} | changes)))


def silence(**wish: Any) -> Silence:
    return read_silence(wish, "alice", NOW)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_patterns_choose_by_host_rule_and_subject() -> None:
    record = a_record()
    assert silence(host="pve-*").covers(record, "pve-01", NOW)
    assert not silence(host="pve-*").covers(record, "nas", NOW)
    assert silence(rule="zpool_*", subject="ta?k").covers(record, "nas", NOW)
    assert not silence(rule="offline").covers(record, "nas", NOW)


def test_a_silence_of_one_alert_is_for_no_other() -> None:
    assert silence(alert=7).covers(a_record(), "x", NOW)
    assert not silence(alert=8).covers(a_record(), "x", NOW)


def test_a_silence_holds_from_its_beginning_to_its_end() -> None:
    made = silence(host="x", **{"from": "2026-11-22T21:00Z", "until": "2026-11-22T22:00Z"})
    moments = ("20:59", "21:00", "21:59", "22:00")
    held = [made.covers(a_record(), "x", at(f"2026-11-22T{clock}")) for clock in moments]
    assert held == [False, True, True, False]


@pytest.mark.parametrize(
    ("hours", "moment", "is_within"),
    [
        ("sat,sun 22:00-06:00", "2026-11-21T23:00", True),
        ("sat,sun 22:00-06:00", "2026-11-23T05:59", True),
        ("sat,sun 22:00-06:00", "2026-11-23T06:00", False),
        ("sat,sun 22:00-06:00", "2026-11-21T05:00", False),
        ("mon-fri 09:00-17:00", "2026-11-23T12:00", True),
        ("fri-mon 09:00-17:00", "2026-11-22T12:00", True),
        ("daily 02:00-03:30 Europe/Berlin", "2026-11-22T01:30", True),
        ("daily 02:00-03:30 Europe/Berlin", "2026-07-22T01:30", False),
        ("daily 02:00-03:30 Europe/Berlin", "2026-07-22T00:30", True),
        ("wed 00:00-00:00", "2026-11-25T13:00", True),
        ("wed 00:00-00:00", "2026-11-26T13:00", False),
    ],
)
def test_hours_come_again_each_week_in_their_zone(hours: str, moment: str, is_within: bool) -> None:
    made = read_hours(hours)
    assert made is not None
    assert made.covers(at(moment)) is is_within
    assert read_hours(made.text) == made


@pytest.mark.parametrize(
    "text", ["22:00-06:00", "mon", "xyz 22:00-06:00", "mon 25:00-06:00", "mon 22-6", "mon 1:00-2:00 Mars/X"]
)
def test_wrong_hours_are_refused_in_words(text: str) -> None:
    with pytest.raises(SampleError, match=r"such as|is none"):
        read_hours(text)


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"host": "x", "until": "2026-11-22T19:00Z"},
        {"host": "x", "until": "soon"},
        {"host": 5},
        {"alert": "7"},
        {"alert": True},
        {"alert": -1},
        {"alert": 2**63},
        {"alert": 2**200},
        {"host": "x" * 300},
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(SampleError):
        read_silence(wish, "alice", NOW)


def test_the_book_keeps_silences_over_restarts_and_ends_them() -> None:
    memory = SilenceMemory()

    async def live() -> SilenceBook:
        book = SilenceBook(memory, Bus(), lambda: NOW)
        await book.add({"host": "pve-*", "reason": "new disks"}, "alice")
        again = SilenceBook(memory, Bus(), lambda: NOW)
        found = again.find_for(a_record(), "pve-01", NOW)
        assert found is not None
        assert found.reason == "new disks"
        await again.end(found.id)
        with pytest.raises(NotFoundError):
            await again.end(found.id)
        return again

    assert asyncio.run(live()).find_for(a_record(), "pve-01", NOW) is None


def test_an_acknowledged_alert_that_worsens_speaks_again() -> None:
    opened = a_record()
    known = follow(opened, replace(opened.newest, kind=EventKind.ACKNOWLEDGED, actor="alice", detail="seen"))
    assert known.state(NOW) == "acknowledged"
    worse = follow(known, replace(opened.newest, kind=EventKind.ESCALATED, severity=Severity.CRITICAL))
    assert worse.state(NOW) == "open"
    again = follow(worse, replace(worse.newest, kind=EventKind.ACKNOWLEDGED))
    assert again.state(NOW) == "acknowledged"


def test_an_acknowledgement_ends_when_its_time_is_over() -> None:
    opened = a_record()
    known = follow(opened, replace(opened.newest, kind=EventKind.ACKNOWLEDGED, until=NOW + HOUR))
    assert (known.state(NOW), known.state(NOW + HOUR)) == ("acknowledged", "open")
    taken_back = follow(known, replace(opened.newest, kind=EventKind.UNACKNOWLEDGED))
    assert taken_back.state(NOW) == "open"


def test_a_link_acknowledges_one_alert_for_three_days() -> None:
    signer = LinkSigner("key")
    token = signer.sign(7, NOW)
    assert signer.read(token, NOW + LIFETIME - HOUR) == 7
    with pytest.raises(TokenError, match="too old"):
        signer.read(token, NOW + LIFETIME)


@pytest.mark.parametrize("forge", ["8" + "{}", "{}x", "", "..", "a.b.c", "7.9999999999.", "é.é.é"])
def test_mallory_forges_no_link(forge: str) -> None:
    token = LinkSigner("key").sign(7, NOW)
    with pytest.raises(TokenError):
        LinkSigner("key").read(forge.format(token[1:]) if forge.startswith("8") else forge.format(token), NOW)
    with pytest.raises(TokenError):
        LinkSigner("other").read(token, NOW)
