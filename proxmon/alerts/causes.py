"""Puts the findings of a host together by cause: what one repair would end is one alert."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from proxmon.alerts.model import Observation
from proxmon.alerts.policy import Policies
from proxmon.findings import SEVERITY, Detail, Finding, Verdict
from proxmon.fleet import HostSnapshot
from proxmon.rulebook.catalog import Policy
from proxmon.rules import connection
from proxmon.rules.words import said_no_longer
from proxmon.status import HostStatus

Key = tuple[str, str]
NEVER = datetime.max.replace(tzinfo=UTC)

# A disk that fails counts errors first, then degrades its pool: one cause.
CAUSES: Mapping[str, str] = {
    "zpool_health": "zpool_devices",
    "zpool_errors": "zpool_devices",
    "redundancy": "zpool_devices",
}
# Their details name datasets, and one cause touches all of a pool.
BY_POOL = frozenset({"snapshot_age", "snapshot_newest", "snapshot_count"})
# Their findings are about the host as a whole, whatever their details name.
WHOLE = frozenset(
    {
        "offline",
        "collection",
        "clock_offset",
        "pending_updates",
        "load",
        "memory",
        "reboot_required",
        "security_updates",
        "agent_outdated",
    }
)
WAITING = "The host is away, and is waited for until its time is up."


def cause_of(rule: str) -> str:
    """Return the cause that a rule's findings belong to; most rules are one of their own."""
    return CAUSES.get(rule, rule)


@dataclass(slots=True)
class Seen:
    """What the findings say of a host, by cause and subject.

    ``unknown`` are the causes that are not known as a whole, ``judged_at`` says of which data the others speak.
    ``waits_until`` is set for an offline host that may still come back by itself.
    """

    by_key: dict[Key, Observation] = field(default_factory=dict[Key, Observation])
    unknown: set[str] = field(default_factory=set[str])
    judged_at: dict[str, datetime | None] = field(default_factory=dict[str, datetime | None])
    waits_until: datetime | None = None

    def add(self, finding: Finding, cause: str, policies: Policies, host: str) -> None:
        """Take in a finding; of several on one subject the worst speaks for all."""
        self.judged_at[cause] = finding.observed_at
        if finding.verdict is Verdict.UNKNOWN and all(not detail.subject for detail in finding.details):
            self.unknown.add(cause)
        for one in _observations(finding, cause, policies, host):
            known = self.by_key.get((cause, one.subject))
            if known is None or _is_worse(one, known):
                self.by_key[cause, one.subject] = one

    def find(self, key: Key) -> Observation:
        """Return what is said of a subject, also where it is said no longer."""
        cause, subject = key
        found = self.by_key.get(key)
        if found is not None and (found.verdict is not Verdict.OK or cause not in self.unknown):
            return found
        verdict = Verdict.UNKNOWN if cause in self.unknown else Verdict.OK
        return Observation(
            cause,
            subject,
            cause,
            verdict,
            said_no_longer(cause, subject or cause),
            observed_at=self.judged_at.get(cause),
        )


def observe(
    snapshot: HostSnapshot,
    status: HostStatus,
    policies: Policies,
    *,
    watched: Collection[str],
    now: datetime,
    started_at: datetime,
) -> Seen:
    """Return what the findings say by cause.

    Of causes that have nothing to tell, only those in ``watched`` are looked at: a healthy host costs next to
    nothing. ``started_at`` is when the server began to listen.
    """
    seen, host = Seen(), snapshot.host.name
    for finding in status.findings:
        cause = cause_of(finding.rule)
        if (finding.verdict is Verdict.OK and cause not in watched) or not policies.may_alert(finding.rule, host):
            continue
        if finding.verdict is Verdict.OFFLINE:
            wait = waits_until(snapshot, policies, started_at)
            if now < wait:
                seen.waits_until = None if wait == NEVER else wait
                finding = replace(finding, verdict=Verdict.UNKNOWN, message=WAITING)  # noqa: PLW2901
        seen.add(finding, cause, policies, host)
    for skipped in status.skipped:
        # What is switched off is over; data that the agent no longer sends leaves open what it was about.
        cause = cause_of(skipped.rule)
        if not skipped.is_off and cause in watched and cause not in seen.judged_at:
            seen.judged_at[cause] = None
            seen.unknown.add(cause)
    return seen


def waits_until(snapshot: HostSnapshot, policies: Policies, started_at: datetime) -> datetime:
    """Return until when an offline host is waited for; for ever when it never connected, which is no loss."""
    seen = snapshot.last_seen_at
    if seen is None:
        return NEVER
    waits = [connection.waits_until(snapshot, policies.book.of_host(snapshot.host.name).settings, started_at)]
    if snapshot.left_at is not None and snapshot.left_at >= seen:
        away = policies.away_seconds.get(snapshot.left_reason or "")
        if away is None:
            return snapshot.left_at  # it was stopped, and nobody says that it comes back
        waits.append(snapshot.left_at + timedelta(seconds=away))
    if snapshot.rotated_at is not None and snapshot.rotated_at >= seen:
        waits.append(snapshot.rotated_at + timedelta(seconds=policies.arrival_seconds))
    return max(waits)


def _observations(finding: Finding, cause: str, policies: Policies, host: str) -> Iterator[Observation]:
    if finding.rule in WHOLE:
        detail = Detail("", finding.verdict, finding.message, finding.value)
        yield _observation(finding, cause, detail, policies.find(finding.rule, host))
        return
    groups: dict[str, list[tuple[Detail, Policy]]] = {}
    for detail in finding.details:
        policy = policies.find(finding.rule, host, detail.subject)
        if policy.is_on:
            groups.setdefault(_subject(finding.rule, detail), []).append((detail, policy))
    for subject, details in groups.items():
        first, policy = min(details, key=lambda one: SEVERITY[one[0].verdict])
        more = 0 if first.verdict is Verdict.OK else sum(one.verdict is first.verdict for one, _ in details) - 1
        message = f"{first.message} (and {more} more)" if more else first.message
        if more or subject != first.subject:
            first = replace(first, subject=subject, message=message)
        yield _observation(finding, cause, first, policy)


def _subject(rule: str, detail: Detail) -> str:
    return detail.subject.partition("/")[0] if rule in BY_POOL else detail.subject


def _observation(finding: Finding, cause: str, detail: Detail, policy: Policy) -> Observation:
    return Observation(
        cause=cause,
        subject=detail.subject,
        rule=finding.rule,
        verdict=detail.verdict,
        message=detail.message,
        value=detail.value,
        unit=finding.unit,
        threshold=detail.threshold or finding.threshold,
        clears_when=finding.clears_when,
        observed_at=finding.observed_at,
        is_clear=_is_clear(detail, policy),
        policy=policy,
    )


def _is_clear(detail: Detail, policy: Policy) -> bool:
    limits = {Verdict.OK: policy.clear_below, Verdict.WARNING: policy.ease_below}
    limit = limits.get(detail.verdict)
    return limit is None or not isinstance(detail.value, int | float) or abs(detail.value) < limit


def _is_worse(one: Observation, known: Observation) -> bool:
    return (SEVERITY[one.verdict], one.is_clear) < (SEVERITY[known.verdict], known.is_clear)
