"""The planned incidents of the demo's past: what was wrong, on which host, from when to when.

What the rules find in the history (proxmon/demo/history.py) is these incidents and nothing else, and the alerts tell
of each exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from proxmon.alerts.causes import cause_of
from proxmon.alerts.policy import Policies
from proxmon.demo.failures import PAST_FAILURE
from proxmon.demo.names import host_name
from proxmon.demo.noise import DAY_SECONDS
from proxmon.demo.roles import FIRST_UPDATES, LAST_UPDATES, MISSED_SCRUB, OLD_SNAPSHOTS, TROUBLES, Role, Span, role_of
from proxmon.demo.zpools import FILLING_A_DAY, FILLING_LIMITS, FULL_A_DAY, FULL_LIMITS, present_share


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that was wrong with one host.

    ``verdict`` is the worst that its rule found. It began and ended in true time: the rule sees it with the next
    sample, and silence after three intervals. ``ended_at`` is None for what lasts when the demo begins.
    """

    name: str
    host: str
    rule: str
    verdict: str
    began_at: datetime
    ended_at: datetime | None


def planned_incidents(begins_at: datetime, hosts: int, days: float) -> list[Incident]:
    """List the incidents of the last days before the demo began, the oldest first."""
    starts_at = begins_at - timedelta(days=days)
    found: list[Incident] = []
    for index in range(hosts):
        for name, rule, verdict, span in _spans(index):
            began_at = max(starts_at, begins_at - timedelta(days=span.since_days))
            ended_at = begins_at - timedelta(days=span.until_days) if span.until_days else None
            if ended_at is None or ended_at > starts_at:
                found.append(Incident(name, host_name(index), rule, verdict, began_at, ended_at))
    return sorted(found, key=lambda one: (one.began_at, one.host, one.rule))


def planned_alerts(incidents: Iterable[Incident], policies: Policies) -> list[list[Incident]]:
    """List the alerts that incidents make, each with the incidents that it tells of, the oldest first.

    Each makes one, but for those of one cause that touch on one host: a disk that fails and its degraded pool are one
    alert. Rules that are only a light make none.
    """
    alerts: list[list[Incident]] = []
    for one in incidents:
        if policies.find(one.rule, one.host).is_on:
            same = next((alert for alert in alerts if _is_continued(alert[-1], one)), None)
            alerts.append([one]) if same is None else same.append(one)
    return alerts


def _is_continued(one: Incident, later: Incident) -> bool:
    is_one_cause = (one.host, cause_of(one.rule)) == (later.host, cause_of(later.rule))
    return is_one_cause and (one.ended_at is None or later.began_at <= one.ended_at)


def _spans(index: int) -> Iterator[tuple[str, str, str, Span]]:
    """Give name, rule, worst verdict and span of what a host's part has in its past."""
    match role_of(index):
        case Role.UNSCRUBBED:
            yield "the monthly scrub of rpool is missed", "scrub_age", "warning", MISSED_SCRUB
        case Role.FAILING:
            weak, failed, healed = (
                -seconds / DAY_SECONDS
                for seconds in (PAST_FAILURE.weak_at, PAST_FAILURE.fails_at, PAST_FAILURE.healed_at)
            )
            yield "a disk counts errors and fails", "zpool_errors", "warning", Span(weak, healed)
            yield "its pool is degraded until the new disk is filled", "zpool_health", "critical", Span(failed, healed)
        case Role.FILLING:
            since = (present_share(index) - FILLING_LIMITS[0]) / FILLING_A_DAY
            yield "a pool fills up", "zpool_capacity", "warning", Span(since)
        case Role.FULL:
            since = (present_share(index) - FULL_LIMITS[0]) / FULL_A_DAY
            yield "a pool fills up until it is full", "zpool_capacity", "critical", Span(since)
        case Role.NEGLECTED:
            yield "updates wait and are installed", "pending_updates", "warning", FIRST_UPDATES
            yield "updates wait again", "pending_updates", "warning", LAST_UPDATES
            yield "snapshots are forgotten", "snapshot_age", "warning", OLD_SNAPSHOTS
        case Role.SILENT:
            yield "the host is down", "offline", "offline", TROUBLES[Role.SILENT].past
        case Role.STUCK:
            yield "zpool status hangs", "collection", "warning", TROUBLES[Role.STUCK].past
        case Role.ADRIFT:
            yield "the clock is off", "clock_offset", "warning", TROUBLES[Role.ADRIFT].past
        case Role.STEADY:
            return
