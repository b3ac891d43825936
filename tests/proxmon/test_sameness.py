"""What is not judged again: it must be what judging would leave as it is, in verdicts, facts, events and alerts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from proxmon import board as boards
from proxmon.alerts.desk import AlertDesk
from proxmon.alerts.model import AlertEvent
from proxmon.board import Board
from proxmon.bus import Bus
from proxmon.config import RuleSettings
from proxmon.events import Event
from proxmon.facts import Facts, read_facts
from proxmon.fleet import Fleet, HostSnapshot
from proxmon.recorder import Recorder
from proxmon.rulebook.book import Entry, RuleBook, as_book
from proxmon.sameness import is_unchanged
from proxmon.samples import Sample
from proxmon.status import FURTHER_RULES, HostStatus, evaluate
from tests.builders import (
    NOW,
    PAYLOADS,
    a_dataset,
    a_fast_payload,
    a_guest,
    a_host,
    a_medium_payload,
    a_mirror,
    a_pool,
    a_sample,
    a_slow_payload,
    a_snapshot,
    iso,
)

RULES = as_book(RuleSettings())
STEP = timedelta(seconds=10)
OTHER_VALUES = (None, 0, 1, 91, -1, 10**15, 0.5, "", "ONLINE", "DEGRADED", "scanning", "2026-01-01T00:00:00Z", True, [])


def verdicts(status: HostStatus) -> list[Any]:
    """Return what a status says without the values that it was measured by."""
    return [
        (finding.rule, finding.verdict, [(detail.subject, detail.verdict) for detail in finding.details])
        for finding in status.findings
    ]


def changed_everywhere(value: Any) -> Iterator[Any]:
    """Give copies of a JSON value, each with another value in one place, or without it."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        for other in (*OTHER_VALUES, *changed_everywhere(value[key])):
            copy = value.copy()
            copy[key] = other
            yield copy
        yield {name: one for name, one in value.items() if name != key} if isinstance(value, dict) else value[:key]


def readable(tier: str, payload: dict[str, Any], at: datetime) -> Sample | None:
    try:
        return a_sample(tier=tier, payload=payload, collected_at=at)
    except ValueError:
        return None


def full_payloads() -> dict[str, dict[str, Any]]:
    """Return what an agent sends that tells all that any rule reads."""
    fast = a_fast_payload(vms_runtime={"vms": [a_guest(onboot=True)]})
    fast["host"]["cpu_count"] = 8
    backup = {"vmid": 100, "type": "qemu", "newest_unix": NOW.timestamp(), "failed_unix": 1}
    slow = a_slow_payload(disks={"disks": [{"name": "sda", "temperature_celsius": 40, "smart_passed": True}]})
    slow["system_info"] |= {"security_updates": 0, "certificates": [{"path": "x", "ends_at": iso(NOW + 90 * STEP)}]}
    return {"fast": fast, "medium": a_medium_payload(backups={"guests": [backup]}), "slow": slow}


ALL_ON = RuleBook(RuleSettings(), [Entry(rule.name, on=True) for rule in FURTHER_RULES])


@pytest.mark.parametrize("tier", ["fast", "medium", "slow"])
@pytest.mark.parametrize("rules", [RULES, ALL_ON], ids=["default", "all rules on"])
def test_whatever_changes_in_a_payload_is_judged_unless_it_changes_no_verdict_and_no_fact(
    tier: str, rules: RuleBook
) -> None:
    payloads = {kind.value: make() for kind, make in PAYLOADS.items()} if rules is RULES else full_payloads()
    before = a_snapshot(*(a_sample(tier=kind, payload=payload) for kind, payload in payloads.items()))
    known, facts = verdicts(evaluate(before, rules, NOW)), read_facts(Facts(), before)
    at, skipped = NOW + STEP, 0
    for payload in changed_everywhere(payloads[tier]):
        sample = readable(tier, payload, at)
        if sample is None:
            continue
        after = before.with_samples([sample], at)
        if is_unchanged(before, after, rules, at):
            skipped += 1
            assert verdicts(evaluate(after, rules, at)) == known, payload
            assert read_facts(facts, after) == facts.heard(after), payload
    assert skipped > 0 or tier == "medium"


@pytest.mark.parametrize(
    "changes",
    [
        {"interval_seconds": 5.0},
        {"agent_version": "0.2.0"},
        {"clock_offset_seconds": 61.0},
        {"fresh_at": NOW - STEP},
    ],
)
def test_a_sample_of_another_kind_is_judged(changes: dict[str, Any]) -> None:
    before, at = a_snapshot(), NOW + STEP
    after = before.with_samples([a_sample(collected_at=at, **changes)], at)
    assert not is_unchanged(before, after, RULES, at)


@pytest.mark.parametrize("change", [{"left_at": NOW}, {"rotated_at": NOW}])
def test_a_goodbye_or_another_token_is_judged(change: dict[str, Any]) -> None:
    before = a_snapshot()
    assert is_unchanged(before, before, RULES, NOW)
    assert not is_unchanged(before, replace(before, **change), RULES, NOW)


def test_another_version_of_the_agent_is_judged_also_when_only_the_newest_tier_is_another() -> None:
    newer = a_sample(tier="slow", payload=a_slow_payload(), received_at=NOW + STEP, agent_version="9.9.9")
    before = a_snapshot(a_sample(agent_version="0.0.1"), newer)
    sample = a_sample(agent_version="0.0.1", collected_at=NOW + 2 * STEP)
    after = before.with_samples([sample], NOW + 2 * STEP)
    assert after.newest_sample is sample
    assert not is_unchanged(before, after, RULES, NOW + 2 * STEP)


def test_a_guest_that_becomes_a_template_needs_no_backup() -> None:
    rules = as_book(RuleSettings(backup_required=True))
    medium = a_sample(tier="medium", payload=a_medium_payload(backups={"guests": []}))
    before, at = a_snapshot(a_sample(), medium), NOW + STEP
    template = a_fast_payload(vms_runtime={"vms": [a_guest(template=True)]})
    after = before.with_samples([a_sample(payload=template, collected_at=at)], at)
    assert verdicts(evaluate(before, rules, at)) != verdicts(evaluate(after, rules, at))
    assert not is_unchanged(before, after, rules, at)


def test_the_same_again_is_not_judged_while_the_last_one_is_fresh() -> None:
    before = a_snapshot()
    for seconds, expected in ((10, True), (30, True), (31, False)):
        at = NOW + timedelta(seconds=seconds)
        assert is_unchanged(before, before.with_samples([a_sample(collected_at=at)], at), RULES, at) is expected


def said(event: AlertEvent) -> list[Any]:
    """Return what an event says; an age is left out, since time alone changes it between two looks."""
    value = None if event.unit == "d" else event.value
    return [event.kind, event.happened_at, event.cause, event.subject, event.severity, value]


class World:
    """A board with recorder and alerts, which remembers what became of them."""

    def __init__(self) -> None:
        self.now, self.recorded = NOW, list[Event]()
        recorder = Recorder(self, RULES, self.clock)
        self.board = Board(Fleet([HostSnapshot(a_host())]), RULES, Bus(), self.clock, recorder)
        self.desk = AlertDesk(self, self.board, self.clock)
        self.looked = 0
        self._take, self.desk._engine.take = self.desk._engine.take, self._counted  # pyright: ignore[reportPrivateUsage]

    def _counted(self, host: HostSnapshot, status: HostStatus, at: datetime) -> list[AlertEvent]:
        self.looked += 1
        return self._take(host, status, at)

    def clock(self) -> datetime:
        return self.now

    def append_events(self, events: Sequence[Event]) -> None:
        self.recorded += events

    def add_events(self, events: Sequence[AlertEvent]) -> None:
        raise AssertionError("nothing is stored without an event loop")

    def list_events(self, since: datetime, at: datetime | None = None) -> list[AlertEvent]:
        return []

    def newest_id(self) -> int:
        return 0

    def step(self, at: datetime, sample: Sample | None, *, says_goodbye: bool) -> list[Any]:
        """Let time pass, take in a sample, and return what the host's verdicts are."""
        self.now = at
        self.board.tick()
        self.desk.tick()
        if sample is not None:
            self.board.accept(1, [sample], at)
        judged = self.board.find(1)
        assert judged is not None
        if says_goodbye:
            self.board.put(replace(judged.snapshot, left_at=at), at)
        judged = self.board.find(1)
        assert judged is not None
        return [judged.status.status, verdicts(judged.status)]

    def alerts(self) -> list[Any]:
        found = [*self.desk.list_open(), *self.desk.list_closed()]
        return [(one.id, one.began_at, one.closed_at, *said(one.newest)) for one in found]

    def set_rules(self, rules: RuleBook) -> None:
        self.board.set_rules(rules)
        self.desk.reconsider("The rule was changed.")


def some_payload(chance: random.Random, tier: str, at: datetime) -> dict[str, Any]:
    """Return a payload that mostly says what the others say."""
    usual = chance.random() < 0.7
    if tier == "medium":
        oldest = at - timedelta(days=29, hours=23, minutes=59, seconds=chance.choice((0, 50)))
        dataset = a_dataset(used_bytes=chance.choice((1, 2)), oldest_snapshot_unix=oldest.timestamp())
        return a_medium_payload(zfs_datasets={"datasets": [a_dataset() if usual else dataset]})
    if tier == "slow":
        return a_slow_payload() if usual else {"system_info": chance.choice(({"error": "no apt"}, {}))}
    pool = a_pool(alloc_bytes=chance.randrange(10**9), last_scrub_end=iso(NOW - timedelta(days=35) + STEP * 7))
    odd = (
        a_pool(health="DEGRADED"),
        a_pool(capacity_percent=chance.choice((79, 85, 95))),
        a_pool(vdevs=[a_mirror(read_errors=1)]),
        a_pool(scan={"function": "scrub", "state": "scanning", "percent": chance.choice((1, 2))}),
        a_pool(last_scrub_end=None, scan=None),
    )
    sections = (
        {"zfs_pools": {"error": "zpool failed"}},
        {"vms_runtime": {"vms": [a_guest(), a_guest(vmid=101)]}},
        {"storage": {"incomplete": "one is missing"}},
        {"ceph": {"error": "no monitor"}},
    )
    changes = {} if usual or chance.random() < 0.5 else chance.choice(sections)
    pools = {"pools": [pool if usual else chance.choice(odd)]}
    return a_fast_payload(**({"zfs_pools": pools} | changes))


def some_sample(chance: random.Random, at: datetime, payloads: dict[str, dict[str, Any]]) -> Sample:
    """Return a sample that often says what the last one of its tier said, of those in ``payloads``."""
    tier = chance.choices(("fast", "medium", "slow"), (8, 1, 1))[0]
    # By less than any step, so that no two have one name: the store lets none of them pass twice.
    late = timedelta(microseconds=chance.randrange(10_000))
    collected_at = at - late - chance.choices((timedelta(0), STEP, 5 * STEP), (8, 1, 1))[0]
    changes: dict[str, Any] = {"interval_seconds": 20.0} if chance.random() < 0.05 else {}
    if chance.random() < 0.05:
        changes |= {"clock_offset_seconds": 120.0}
    if tier not in payloads or chance.random() < 0.3:
        payloads[tier] = some_payload(chance, tier, at)
    payload = payloads[tier]
    return a_sample(tier=tier, payload=payload, collected_at=collected_at, received_at=at, **changes)


@pytest.mark.parametrize("seed", range(10))
def test_events_and_alerts_are_those_of_judging_every_sample(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, at, kept = random.Random(seed), NOW, 0
    shortened, whole = World(), World()
    books, payloads = (RULES, as_book(RuleSettings(capacity_warning_percent=90))), dict[str, dict[str, Any]]()

    def counted(*arguments: Any) -> bool:
        nonlocal kept
        found = is_unchanged(*arguments)
        kept += found
        return found

    for _ in range(200):
        at += timedelta(seconds=chance.choices((0.01, 1, 10, 31, 100), (3, 3, 12, 1, 1))[0])
        sample = some_sample(chance, at, payloads) if chance.random() < 0.9 else None
        goodbye = chance.random() < 0.01
        monkeypatch.setattr(boards, "is_unchanged", counted)
        mine = shortened.step(at, sample, says_goodbye=goodbye)
        monkeypatch.setattr(boards, "is_unchanged", lambda *_: False)
        assert mine == whole.step(at, sample, says_goodbye=goodbye)
        assert shortened.recorded == whole.recorded
        assert shortened.alerts() == whole.alerts()
        if chance.random() < 0.1:  # whoever asks has them refreshed
            mine, theirs = ([said(one.newest) for one in world.desk.list_fresh()] for world in (shortened, whole))
            assert mine == theirs
        if chance.random() < 0.02:
            book = chance.choice(books)
            for world in (shortened, whole):
                world.set_rules(book)
    assert kept > 10
    assert shortened.looked < whole.looked - 10
