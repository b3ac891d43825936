"""A scrub that is slower than those before is found, and what cannot be compared is left alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxmon.config import RuleSettings
from proxmon.findings import Finding, Skipped, Verdict
from proxmon.fleet import HostSnapshot
from proxmon.rulebook.book import RuleBook
from proxmon.rulebook.reading import read_rules
from proxmon.sameness import is_unchanged
from proxmon.scrubs import KNOWN_SCRUBS, FinishedScrub, with_scrub
from proxmon.status import evaluate
from tests.builders import DAY, NOW, a_fast_payload, a_pool, a_sample, a_snapshot, iso

SETTINGS = RuleSettings()
HOUR = timedelta(hours=1)
MONTH = 30 * DAY


def told(hours: float | None, ended_at: datetime, name: str = "tank") -> dict[str, Any]:
    """Return a pool as it is told after a scrub that took so many hours."""
    lasted = None if hours is None else hours * 3600
    scan = {"function": "scrub", "state": "finished", "errors": 0, "end_at": iso(ended_at), "duration_seconds": lasted}
    return a_pool(name=name, last_scrub_end=iso(ended_at), scan=scan)


def running(since: datetime, state: str = "scanning", **changes: Any) -> dict[str, Any]:
    scan = {"function": "scrub", "state": state, "percent": 50.0, "start_at": iso(since)}
    return a_pool(name="tank", last_scrub_end=None, scan=scan | changes)


def hear(host: HostSnapshot, at: datetime, *pools: dict[str, Any]) -> HostSnapshot:
    payload = a_fast_payload(zfs_pools={"pools": list(pools)})
    return host.with_samples([a_sample(payload=payload, collected_at=at)], at)


def a_past(*hours: float | None, name: str = "tank") -> HostSnapshot:
    """Return a host whose pool was scrubbed once a month, the last time ten days ago; the oldest comes first."""
    host = a_snapshot(a_sample(collected_at=NOW - 9 * MONTH))
    for number, lasted in enumerate(hours):
        ended_at = NOW - 10 * DAY - MONTH * (len(hours) - number - 1)
        host = hear(host, ended_at + HOUR, told(lasted, ended_at, name))
    last = told(hours[-1], NOW - 10 * DAY, name) if hours else a_pool(name=name, scan=None, last_scrub_end=None)
    return hear(host, NOW, last)


def judge(host: HostSnapshot, rules: str = "", now: datetime = NOW) -> Finding | Skipped:
    status = evaluate(host, RuleBook(SETTINGS, read_rules(rules, SETTINGS)), now)
    return status.find("scrub_duration") or next(one for one in status.skipped if one.rule == "scrub_duration")


def found(host: HostSnapshot, rules: str = "", now: datetime = NOW) -> Finding:
    finding = judge(host, rules, now)
    assert isinstance(finding, Finding)
    return finding


def test_a_scrub_that_took_more_than_twice_the_usual_is_a_warning() -> None:
    slow = found(a_past(6, 7, 6, 15))
    assert (slow.verdict, slow.subject, slow.value, slow.unit) == (Verdict.WARNING, "tank", 2.5, "times")
    assert slow.message == "tank: its last scrub took 15 h, 2.5 times the usual 6 h"
    assert slow.threshold == "warning above 2 times the usual, when that is 1 h longer"


def test_twice_the_usual_is_not_more_than_twice() -> None:
    assert found(a_past(6, 7, 6, 12)).verdict is Verdict.OK
    assert found(a_past(6, 7, 6, 12)).message == "tank: its last scrub took 12 h, 6 h is usual"


@pytest.mark.parametrize(("hours", "verdict"), [(1.24, Verdict.OK), (1.26, Verdict.WARNING)])
def test_a_small_pool_must_take_an_hour_longer_as_well(hours: float, verdict: Verdict) -> None:
    assert found(a_past(0.25, 0.25, hours)).verdict is verdict


def test_a_pool_that_takes_no_time_has_a_ratio_nevertheless() -> None:
    assert found(a_past(0, 0, 2)).value == 7200


def test_one_slow_scrub_among_those_before_does_not_make_slow_usual() -> None:
    assert found(a_past(6, 30, 6, 6, 15)).verdict is Verdict.WARNING


def test_only_the_five_before_count() -> None:
    assert found(a_past(1, 1, 1, 1, 1, 6, 6, 6, 6, 6, 7)).verdict is Verdict.OK


@pytest.mark.parametrize("hours", [(), (15,), (6, 15), (None, 6, 15), (6, 7, 6, None)])
def test_with_too_few_scrubs_it_is_skipped_and_says_why(hours: tuple[float | None, ...]) -> None:
    left_out = judge(a_past(*hours))
    assert isinstance(left_out, Skipped)
    assert "held against 2 to 5 before it" in left_out.why


def test_a_failed_section_is_unknown_once_enough_is_known_and_nothing_before() -> None:
    failed = a_sample(payload=a_fast_payload(zfs_pools={"error": "zpool hangs"}), collected_at=NOW)
    assert found(a_past(6, 6, 6).with_samples([failed], NOW)).verdict is Verdict.UNKNOWN
    assert isinstance(judge(a_past(6, 6).with_samples([failed], NOW)), Skipped)


def test_a_pool_that_tells_too_little_is_left_out_beside_one_that_does_not() -> None:
    host = a_past(6, 6, 15)
    both = hear(host, NOW, told(15, NOW - 10 * DAY), told(1, NOW - DAY, "rpool"))
    assert [detail.subject for detail in found(both).details] == ["tank"]
    assert isinstance(judge(hear(host, NOW, told(1, NOW - DAY, "rpool"))), Skipped)


def test_a_scrub_that_runs_is_slow_as_soon_as_it_takes_too_long() -> None:
    host = hear(a_past(6, 6), NOW, running(NOW - 5 * HOUR))
    early = found(host)
    assert (early.verdict, early.message) == (
        Verdict.OK,
        "tank: the scrub that runs has taken 5 h so far, 6 h is usual",
    )
    turns = NOW + 7 * HOUR
    assert [one.valid_until for one in early.details] == [turns]
    later = hear(host, turns + HOUR, running(NOW - 5 * HOUR))
    slow = found(later, now=turns + HOUR)
    assert slow.verdict is Verdict.WARNING
    assert slow.message == "tank: the scrub that runs has taken 13 h so far, 2.2 times the usual 6 h"


def test_while_the_next_scrub_runs_in_time_the_last_one_is_still_slow() -> None:
    host = hear(a_past(6, 6, 15), NOW, running(NOW - HOUR))
    assert found(host).message == "tank: its last scrub took 15 h, 2.5 times the usual 6 h"


@pytest.mark.parametrize(
    "pool",
    [
        running(NOW - 50 * HOUR, "paused"),
        running(NOW - 50 * HOUR, function="resilver"),
        running(NOW - 50 * HOUR, start_at=None),
        running(NOW - 50 * HOUR, start_at="soon"),
        running(NOW - 50 * HOUR, "canceled"),
        # Nobody knows the zone of this one, so it may have begun 14 hours later.
        running(NOW - 50 * HOUR, start_at="2026-11-22T00:30:00"),
    ],
)
def test_what_is_no_running_scrub_or_does_not_say_since_when_is_not_slow(pool: dict[str, Any]) -> None:
    finding = found(hear(a_past(6, 6, 6), NOW, pool))
    assert finding.verdict is Verdict.OK


def test_the_limits_can_be_set_for_a_pool() -> None:
    rules = '[[scrub_duration]]\npool = "tank"\nmax_ratio = 3\n'
    assert found(a_past(6, 6, 15), rules).verdict is Verdict.OK
    assert found(a_past(6, 6, 19), rules).verdict is Verdict.WARNING
    hours = "[[scrub_duration]]\nmax_ratio = 1\nmax_extra_hours = 4\n"
    assert [found(a_past(6, 6, last), hours).verdict for last in (9, 11)] == [Verdict.OK, Verdict.WARNING]


def test_numbers_beyond_all_sense_end_no_judgement() -> None:
    assert isinstance(judge(a_past(1e14, 1e14, 1e14)), Skipped)
    host = hear(a_past(80_000, 80_000), NOW, running(NOW - HOUR))
    assert found(host, "[[scrub_duration]]\nmax_ratio = 1e300\n").verdict is Verdict.OK
    for year in ("0001", "9999"):
        odd = hear(a_past(6, 6, 6), NOW, running(NOW, start_at=f"{year}-12-31T23:59:59Z"))
        assert found(odd).message == "tank: its last scrub took 6 h, 6 h is usual"


def test_another_scrub_of_a_pool_is_never_the_same_as_before() -> None:
    host, book = a_past(6, 6, 6), RuleBook(SETTINGS)
    assert is_unchanged(host, hear(host, NOW + HOUR / 600, told(6, NOW - 10 * DAY)), book, NOW)
    assert not is_unchanged(host, hear(host, NOW + HOUR / 600, told(60, NOW - DAY)), book, NOW)


lengths = st.none() | st.integers(0, 400_000)
ends = st.lists(st.tuples(st.integers(0, 12), lengths), max_size=20)


@given(ends, st.randoms(use_true_random=False))
def test_the_last_scrubs_do_not_depend_on_the_order_in_which_they_are_told(
    scrubs: list[tuple[int, int | None]], chance: Any
) -> None:
    shuffled = list(scrubs)
    chance.shuffle(shuffled)
    known: list[tuple[FinishedScrub, ...]] = []
    for order in (scrubs, shuffled):
        last: tuple[FinishedScrub, ...] = ()
        for month, seconds in order:
            last = with_scrub(last, NOW + month * MONTH, seconds)
        known.append(last)
    one, other = known
    assert [(each.ended_at, each.duration_seconds or 0) for each in one] == [
        (each.ended_at, each.duration_seconds or 0) for each in other
    ]
    months = sorted({NOW + month * MONTH for month, _ in scrubs}, reverse=True)
    assert [each.ended_at for each in one] == months[:KNOWN_SCRUBS]


@given(st.lists(st.integers(0, 200_000), min_size=3, max_size=6))
def test_the_verdict_is_the_rule_that_is_written_down(seconds: list[int]) -> None:
    *before, last = seconds
    usual = median(before)
    is_slow = last > 2 * usual and last > usual + 3600
    finding = found(a_past(*(each / 3600 for each in seconds)))
    assert finding.verdict is (Verdict.WARNING if is_slow else Verdict.OK)
