"""The alerts of the demo's thirty days: one for each planned incident and none else, however they are replayed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from shutil import copytree

import pytest

from proxmon.alerts.model import AlertEvent
from proxmon.alerts.policy import Policies, default_policies
from proxmon.alerts.records import AlertRecord, fold
from proxmon.alerts.replay import Message, Replay
from proxmon.config import RuleSettings
from proxmon.demo.history import PACES, past_messages
from proxmon.demo.incidents import Incident, planned_alerts
from proxmon.fleet import HostSnapshot
from proxmon.rulebook.book import Entry, RuleBook
from storage import Store
from tests.pasts import BEGIN, WrittenPast

RULES = RuleSettings()
DEFAULT = default_policies(RULES)
WITH_LIGHTS = default_policies(RuleBook(RULES, [Entry("pending_updates", alert=True)]))
# The far past has a fast sample each hour and a slow one each three; up to three of them must agree.
PATIENCE = 3 * timedelta(seconds=max(max(intervals.values()) for _, intervals in PACES))


@dataclass(frozen=True)
class Played:
    """The thirty days as they were alerted live, and replayed in three ways."""

    written: WrittenPast
    live: list[AlertEvent]
    one_by_one: list[AlertEvent]
    in_batches: list[AlertEvent]
    with_lights: list[AlertEvent]
    hosts: dict[int, str]


@pytest.fixture(scope="module")
def played(full_past: WrittenPast, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Play the full past; its messages are made again, since the store has deleted some of them."""
    store = Store.open(copytree(full_past.directory, tmp_path_factory.mktemp("alerts") / "data"))
    hosts = [HostSnapshot(one.host) for one in store.snapshot(full_past.starts_at + timedelta(seconds=1)).hosts]
    live = store.alerts.list_events(full_past.starts_at)
    store.close()
    hosts.sort(key=lambda one: one.host.id)
    single, grouped, lights = (
        Replay(hosts, RULES, policies, full_past.starts_at) for policies in (DEFAULT, DEFAULT, WITH_LIGHTS)
    )
    for batch in batches(messages(full_past, hosts)):
        for message in batch:
            single.play([message])
        grouped.play(batch)
        lights.play(batch)
    for replay in (single, grouped, lights):
        replay.run_until(BEGIN)
    names = {one.host.id: one.host.name for one in hosts}
    return Played(full_past, live, single.events, grouped.events, lights.events, names)


def messages(written: WrittenPast, hosts: list[HostSnapshot]) -> Iterator[Message]:
    return past_messages(written.past.scenario, [one.host.id for one in hosts], written.starts_at)


def batches(sent: Iterator[Message]) -> Iterator[list[Message]]:
    while batch := list(islice(sent, 100)):
        yield batch


def tells_of(record: AlertRecord, incidents: list[Incident], hosts: dict[int, str]) -> bool:
    """Tell whether an alert is that of these incidents: host, rules, how bad, and when."""
    first, ends = incidents[0], [one.ended_at for one in incidents]
    planned_end = None if None in ends else max(end for end in ends if end is not None)
    is_time_right = timedelta(0) <= record.opened_at - first.began_at <= PATIENCE
    if planned_end is None or record.closed_at is None:
        is_time_right &= planned_end is None and record.closed_at is None
    else:
        is_time_right &= timedelta(0) <= record.closed_at - planned_end <= PATIENCE
    is_critical = any(one.verdict != "warning" for one in incidents)
    return (
        hosts[record.host_id] == first.host
        and record.newest.rule == incidents[-1].rule
        and record.worst == ("critical" if is_critical else "warning")
        and is_time_right
    )


@pytest.mark.parametrize(("events", "policies"), [("one_by_one", DEFAULT), ("with_lights", WITH_LIGHTS)])
def test_each_planned_incident_is_one_alert_and_there_is_none_else(
    played: Played, events: str, policies: Policies
) -> None:
    records = fold(getattr(played, events)).values()
    planned = planned_alerts(played.written.incidents, policies)
    assert len(records) == len(planned), (records, planned)
    for incidents in planned:
        assert sum(tells_of(one, incidents, played.hosts) for one in records) == 1, incidents


def test_every_incident_is_in_an_alert_or_is_only_a_light(played: Played) -> None:
    told = [one for incidents in planned_alerts(played.written.incidents, DEFAULT) for one in incidents]
    assert {one.rule for one in played.written.incidents if one not in told} == {"pending_updates"}


def test_batches_and_single_samples_and_the_live_server_alert_alike(played: Played) -> None:
    assert played.one_by_one == played.in_batches
    assert played.one_by_one == played.live
