"""The demo's past: written as a live server would have, with the planned incidents and nothing else."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from proxmon.board import PastBoard
from proxmon.cli.serving import make_past
from proxmon.config import RuleSettings, Settings
from proxmon.demo.history import PACES
from proxmon.findings import Verdict
from proxmon.fleet import Resolution
from proxmon.payload import Tier
from storage import Store
from tests.pasts import BEGIN, WrittenPast, a_past
from tests.storage.conftest import ask_file

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TROUBLE = (Verdict.WARNING, Verdict.CRITICAL, Verdict.OFFLINE)
# A rule sees an incident with the next sample of its tier, and silence after three intervals.
LATEST = 3 * timedelta(seconds=max(max(intervals.values()) for _, intervals in PACES))
Found = tuple[str, str, datetime, datetime | None]


def troubles(written: WrittenPast) -> Iterator[Found]:
    """Give host, rule, start and end of what the rules found, as it was recorded at the time."""
    for host, entries in written.recorded.judged.items():
        for rule in entries[0][2]:
            began_at: datetime | None = None
            for at, _, verdicts in entries:
                if verdicts[rule] in TROUBLE and began_at is None:
                    began_at = at
                elif verdicts[rule] not in TROUBLE and began_at is not None:
                    yield host, rule, began_at, at
                    began_at = None
            if began_at is not None:
                yield host, rule, began_at, None


def matches(found: Found, planned: Found) -> bool:
    """Tell whether what was found is what was planned, seen by a rule in time."""
    begins = timedelta(0) <= found[2] - planned[2] <= LATEST
    ends = found[3] is planned[3] if None in (found[3], planned[3]) else abs(found[3] - planned[3]) <= LATEST
    return found[:2] == planned[:2] and begins and ends


@pytest.mark.parametrize("size", ["small_past", "full_past"])
def test_rules_find_the_planned_incidents_and_nothing_else(request: pytest.FixtureRequest, size: str) -> None:
    written: WrittenPast = request.getfixturevalue(size)
    planned = [(one.host, one.rule, one.began_at, one.ended_at) for one in written.incidents]
    # A host that was just added has never connected.
    found = [one for one in troubles(written) if one[3] != written.starts_at]
    assert len(found) == len(planned), (found, planned)
    for one in planned:
        assert sum(matches(other, one) for other in found) == 1, (one, found)


def test_the_worst_verdict_of_each_incident_is_the_planned_one(full_past: WrittenPast) -> None:
    severity = list(TROUBLE)
    for one in full_past.incidents:
        verdicts = [
            verdicts[one.rule]
            for at, _, verdicts in full_past.recorded.judged[one.host]
            if one.began_at <= at <= (one.ended_at or BEGIN) and verdicts[one.rule] in TROUBLE
        ]
        assert max(verdicts, key=severity.index) == one.verdict, one


def test_a_month_has_incidents_of_every_rule(full_past: WrittenPast) -> None:
    assert {one.rule for one in full_past.incidents} == {
        *("offline", "zpool_health", "zpool_capacity", "zpool_errors", "scrub_age"),
        *("snapshot_age", "pending_updates", "collection", "clock_offset"),
    }


def test_the_same_past_is_written_each_time(small_past: WrittenPast, tmp_path: Path) -> None:
    again = a_past(tmp_path)
    assert again.recorded == small_past.recorded
    query = "SELECT host, tier, collected_at, received_at, payload FROM samples ORDER BY ALL"
    assert ask_file(again.directory, query) == ask_file(small_past.directory, query)


def test_samples_carry_the_times_of_then_and_lead_up_to_now(small_past: WrittenPast) -> None:
    query = "SELECT min(received_at), max(received_at), max(received_at - observed_at) FROM samples"
    [(first, last, delay)] = ask_file(small_past.directory, query)
    begin = BEGIN.replace(tzinfo=None)
    assert first == begin - 3 * DAY
    assert begin - timedelta(minutes=5) <= last < begin
    assert delay < timedelta(seconds=1)


def test_rollups_are_there_when_the_demo_begins(small_past: WrittenPast) -> None:
    hours = ask_file(small_past.directory, "SELECT host, count(*), max(started_at) FROM host_1h GROUP BY host")
    last = (BEGIN - HOUR).replace(tzinfo=None)
    assert {(count, at) for _, count, at in hours} == {(72, last)}


def test_hosts_go_on_with_the_tokens_that_they_have(small_past: WrittenPast) -> None:
    assert set(small_past.past.tokens) == set(small_past.recorded.judged)
    assert ask_file(small_past.directory, "SELECT DISTINCT kind FROM host_events") == [("added",)]


def test_every_tier_is_kept_for_the_time_it_should_be(full_past: WrittenPast) -> None:
    [(raw,)] = ask_file(full_past.directory, "SELECT min(observed_at) FROM base.fast_samples")
    oldest = dict(ask_file(full_past.directory, "SELECT tier, min(observed_at) FROM samples GROUP BY tier"))
    begin = BEGIN.replace(tzinfo=None)
    assert begin - 4 * DAY < raw < begin - 2 * DAY
    assert oldest[Tier.FAST] < begin - 29 * DAY
    assert oldest[Tier.SLOW] < begin - 29 * DAY


def test_the_docs_list_the_incidents(full_past: WrittenPast) -> None:
    lines = (Path(__file__).parent.parent / "docs" / "demo.md").read_text().splitlines()
    listed = {tuple(cell.strip(" `") for cell in line.strip("|").split("|")) for line in lines if "| `pve" in line}
    assert listed == {
        (one.host, one.name, one.rule, before(one.began_at), before(one.ended_at)) for one in full_past.incidents
    }


def before(at: datetime | None) -> str:
    """Return how many days before the demo's start a moment was, as the docs write it."""
    return "" if at is None else f"{(BEGIN - at) / DAY:.2f}".rstrip("0").rstrip(".")


def test_the_command_makes_a_past_once(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path))
    past = make_past(settings, hosts=1, days=0.1)
    assert past is not None
    assert set(past.tokens) == {"pve-lab-07"}
    assert make_past(settings, hosts=1, days=0.1) is None


@pytest.mark.parametrize("seed", range(20 if os.environ.get("PROXMON_SOAK") else 1))
def test_fifty_random_moments_have_the_statuses_that_were_shown_then(full_past: WrittenPast, seed: int) -> None:
    chance = random.Random(seed)
    moments = [full_past.starts_at + chance.random() * (BEGIN - full_past.starts_at) for _ in range(50)]
    boards, resolutions = list(past_boards(full_past, moments)), set[Resolution]()
    assert len({board.at for board in boards}) == 50
    for board in boards:
        for judged in board.list_hosts():
            verdicts = {finding.rule: finding.verdict for finding in judged.status.findings}
            assert (judged.status.status, verdicts) == full_past.recorded.at(judged.name, board.at), board.at
            resolutions.add(judged.snapshot.resolution)
    # Samples, rows and what is kept by the hour: the moments lie in the time of each.
    assert resolutions >= {Resolution.FULL, Resolution.HOUR}


def past_boards(written: WrittenPast, moments: list[datetime]) -> Iterator[PastBoard]:
    """Give the judged fleet of each moment, from the file that the past was written to."""
    store = Store.open(written.directory)
    try:
        for at in moments:
            yield PastBoard(store.snapshot(at), RuleSettings())
    finally:
        store.close()
