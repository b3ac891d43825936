"""Rehearsals: the same samples under two rule books, also where not all samples were kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from proxmon.alerts.comparison import compare
from proxmon.alerts.rehearsal import Rehearsal, filled, rehearse
from proxmon.config import RuleSettings
from proxmon.fleet import HostSnapshot
from proxmon.history import Goodbye, History
from proxmon.rulebook.book import RuleBook
from proxmon.rulebook.reading import read_rules
from proxmon.samples import Sample
from proxmon.scrubs import FinishedScrub
from tests.builders import DAY, NOW, a_fast_payload, a_host, a_pool, a_sample, iso

SETTINGS = RuleSettings()
HOUR, STEP = timedelta(hours=1), timedelta(seconds=10)
BEGIN = NOW - 48 * HOUR


def a_book(text: str = "") -> RuleBook:
    return RuleBook(SETTINGS, read_rules(text, SETTINGS))


def fill(percent: float) -> dict[str, Any]:
    return a_fast_payload(zfs_pools={"pools": [a_pool(capacity_percent=percent)]})


def stream(values: Iterable[float], begin: datetime = BEGIN, step: timedelta = STEP, host_id: int = 1) -> list[Sample]:
    return [
        a_sample(host_id=host_id, payload=fill(value), collected_at=begin + step * number)
        for number, value in enumerate(values)
    ]


def played(history: History, edited: str = "", until: datetime | None = None, **options: Any) -> Rehearsal:
    hosts = [HostSnapshot(a_host(id=number, name=f"pve-0{number}")) for number in (1, 2)]
    books = (a_book(options.pop("present", "")), a_book(edited))
    return rehearse(history, hosts, books, (BEGIN, until or BEGIN + HOUR), **options)


def changes(rehearsal: Rehearsal) -> list[tuple[str, str, str]]:
    return [(row["change"], row["host"], row["rule"]) for row in compare(rehearsal)["alerts"]]


def test_equal_rules_do_the_same() -> None:
    samples = stream([50] * 60 + [85] * 60 + [50] * 60)
    told = played(History(iter(samples)), until=BEGIN + STEP * 180)
    assert changes(told) == [("same", "pve-01", "zpool_capacity")]
    assert (told.samples, told.first_at, told.is_cut) == (180, BEGIN, False)
    summary = compare(told)
    assert summary["present"] == summary["edited"]
    assert summary["edited"]["count"] == 1
    # It opens a minute into the fault, and ends five minutes after it.
    assert 14 * 60 <= summary["edited"]["seconds"] <= 15 * 60


def test_a_lower_threshold_adds_alerts_and_a_higher_one_takes_them_away() -> None:
    samples = stream([75] * 100) + stream([85] * 100, host_id=2)
    samples.sort(key=lambda sample: sample.received_at)
    lower = played(History(iter(samples)), "[[zpool_capacity]]\nwarning_percent = 70", BEGIN + STEP * 100)
    assert set(changes(lower)) == {("new", "pve-01", "zpool_capacity"), ("same", "pve-02", "zpool_capacity")}
    higher = played(History(iter(samples)), "[[zpool_capacity]]\nwarning_percent = 88", BEGIN + STEP * 100)
    assert changes(higher) == [("gone", "pve-02", "zpool_capacity")]


def test_an_alert_at_another_time_or_of_another_severity_is_told_as_other() -> None:
    samples = stream([85] * 200)
    later = played(History(iter(samples)), "[[zpool_capacity]]\nfor_minutes = 20", BEGIN + STEP * 200)
    (row,) = compare(later)["alerts"]
    assert row["change"] == "other"
    assert row["was"]["opened_at"] == BEGIN + STEP * 6
    assert row["opened_at"] == BEGIN + STEP * 120
    worse = played(History(iter(samples)), '[[zpool_capacity]]\nseverity = "critical"', BEGIN + STEP * 200)
    assert [(one["change"], one["severity"]) for one in compare(worse)["alerts"]] == [("other", "critical")]


def test_one_sample_an_hour_stands_for_the_hour_and_makes_nobody_offline() -> None:
    samples = stream([50, 85, 85, 50, 50], step=HOUR)
    told = played(History(iter(samples)), until=BEGIN + 5 * HOUR)
    (alert,) = told.edited
    assert (alert.newest.rule, alert.closed_at is None) == ("zpool_capacity", False)
    assert alert.opened_at - (BEGIN + HOUR) <= timedelta(minutes=2)
    assert alert.closed_at is not None
    assert alert.closed_at - (BEGIN + 3 * HOUR) <= timedelta(minutes=6)


def test_a_host_that_was_recorded_as_offline_is_not_stood_for() -> None:
    samples = stream([50, 50], step=HOUR)
    heard = BEGIN + timedelta(minutes=20)
    told = played(History(iter(samples), offline={1: [heard]}), until=BEGIN + 2 * HOUR)
    (alert,) = told.edited
    assert alert.newest.rule == "offline"
    assert timedelta(0) <= alert.opened_at - heard <= timedelta(minutes=1)
    assert alert.closed_at == BEGIN + HOUR


def test_silence_that_is_longer_than_any_gap_is_no_gap() -> None:
    told = played(History(iter(stream([50, 50], step=5 * HOUR))), until=BEGIN + 6 * HOUR)
    assert [alert.newest.rule for alert in told.edited][:1] == ["offline"]


def test_a_goodbye_for_a_reboot_is_waited_for_as_it_was_then() -> None:
    samples = stream([50] * 60) + stream([50] * 60, begin=BEGIN + timedelta(minutes=18))
    goodbye = Goodbye(BEGIN + timedelta(minutes=10), 1, "reboot")
    lost, until = {1: [BEGIN + STEP * 59]}, BEGIN + timedelta(minutes=28)
    assert played(History(iter(samples), offline=lost, goodbyes=[goodbye]), until=until).edited == ()
    assert len(played(History(iter(samples), offline=lost), until=until).edited) == 1


def test_slow_scrubs_are_rehearsed_with_what_was_known_when_the_span_began() -> None:
    def scrubbed(hours: float, ended_at: datetime) -> dict[str, Any]:
        scan = {"function": "scrub", "state": "finished", "end_at": iso(ended_at), "duration_seconds": hours * 3600}
        return a_fast_payload(zfs_pools={"pools": [a_pool(last_scrub_end=iso(ended_at), scan=scan)]})

    usual, slow = scrubbed(6, BEGIN - 30 * DAY), scrubbed(15, BEGIN + HOUR / 2)
    payloads = [usual] * 200 + [slow] * 200
    samples = [a_sample(payload=one, collected_at=BEGIN + STEP * number) for number, one in enumerate(payloads)]
    before = tuple(FinishedScrub(BEGIN - days * DAY, 6 * 3600) for days in (60, 90))
    history = History(iter(samples), scrubs={1: {"rpool": before}})
    told = played(history, "[[scrub_duration]]\nmax_ratio = 3", BEGIN + STEP * 400)
    assert changes(told) == [("gone", "pve-01", "scrub_duration")]
    (alert,) = told.present
    assert alert.opened_at == BEGIN + STEP * 201
    assert changes(played(History(iter(samples)), until=BEGIN + STEP * 400)) == []


def test_time_that_is_up_ends_it_where_it_is() -> None:
    calls = iter(range(1000))
    told = played(History(iter(stream([85] * 100))), is_late=lambda: next(calls) >= 50)
    assert (told.samples, told.is_cut, told.until) == (50, True, BEGIN + STEP * 49)


def test_samples_of_hosts_that_are_gone_are_left_out() -> None:
    assert played(History(iter(stream([85] * 50, host_id=9)))).samples == 0


def test_what_is_filled_stays_in_the_order_of_time() -> None:
    rows = stream([50] * 30, step=HOUR / 2) + stream([50] * 300, step=timedelta(minutes=3), host_id=2)
    rows.append(a_sample(host_id=1, tier="medium", collected_at=BEGIN + HOUR))
    rows.sort(key=lambda sample: sample.received_at)
    found = list(filled(History(iter(rows), step_seconds=900), BEGIN + 16 * HOUR, 3))
    assert [one.received_at for one in found] == sorted(one.received_at for one in found)
    assert len(found) > len(rows)
    assert next(one.interval_seconds for one in found if one.tier == "medium") == 900
