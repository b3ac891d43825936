"""The one function that judges a host: pages, API, alerts and notebooks all call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from proxmon.config import RuleSettings
from proxmon.findings import Finding, Skipped, Status, Verdict, earliest, worst
from proxmon.fleet import HostSnapshot
from proxmon.rulebook.book import RuleBook, as_book
from proxmon.rules.base import Case, Rule, graded
from proxmon.rules.connection import judge_clock_offset, judge_collection, judge_offline
from proxmon.rules.disks import DISK_HEALTH, DISK_TEMPERATURE
from proxmon.rules.filling import judge_filling
from proxmon.rules.guests import BACKUP_AGE, GUEST_STOPPED
from proxmon.rules.machine import CERTIFICATE, LOAD, MEMORY, REBOOT_REQUIRED, SECURITY_UPDATES, judge_agent
from proxmon.rules.scrubs import judge_scrub_duration
from proxmon.rules.snapshots import SNAPSHOT_COUNT, SNAPSHOT_NEWEST
from proxmon.rules.storages import STORAGE_INACTIVE, STORAGE_USAGE
from proxmon.rules.upkeep import PENDING_UPDATES, SNAPSHOT_AGE
from proxmon.rules.zpools import REDUNDANCY, SCRUB_AGE, ZPOOL_CAPACITY, ZPOOL_ERRORS, ZPOOL_HEALTH

DATA_RULES: tuple[Rule, ...] = (
    ZPOOL_HEALTH,
    ZPOOL_CAPACITY,
    ZPOOL_ERRORS,
    SCRUB_AGE,
    SNAPSHOT_AGE,
    PENDING_UPDATES,
)
CONTRACT_NAMES = ("offline", *(rule.name for rule in DATA_RULES), "collection", "clock_offset")
FURTHER_RULES: tuple[Rule, ...] = (
    REDUNDANCY,
    STORAGE_INACTIVE,
    STORAGE_USAGE,
    GUEST_STOPPED,
    BACKUP_AGE,
    SNAPSHOT_NEWEST,
    SNAPSHOT_COUNT,
    LOAD,
    MEMORY,
    REBOOT_REQUIRED,
    SECURITY_UPDATES,
    DISK_HEALTH,
    DISK_TEMPERATURE,
    CERTIFICATE,
)
_OWN_WAYS = ("scrub_duration", "agent_outdated", "days_until_full")
RULE_NAMES = (*CONTRACT_NAMES, *(rule.name for rule in FURTHER_RULES), *_OWN_WAYS)

_OFF = {rule: Skipped(rule, "Off unless your rules switch it on.", is_off=True) for rule in RULE_NAMES}
_SWITCHED_OFF = {rule: Skipped(rule, "Switched off by your rules.", is_off=True) for rule in RULE_NAMES}

# The order in which statuses are shown: what needs somebody first comes first.
WORST_FIRST = (Status.CRITICAL, Status.WARNING, Status.OFFLINE, Status.OK)


@dataclass(frozen=True, slots=True)
class HostStatus:
    """Our verdict on a host: a finding for every rule that applies, the status they make, and until when that holds.

    ``skipped`` are the rules that do not judge it; they count neither as passed nor as unknown.
    """

    status: Status
    findings: tuple[Finding, ...]
    valid_until: datetime | None
    skipped: tuple[Skipped, ...] = ()

    @property
    def unknown_count(self) -> int:
        """Return how many rules could not be judged."""
        return sum(finding.verdict is Verdict.UNKNOWN for finding in self.findings)

    @property
    def worst_finding(self) -> Finding | None:
        """Return the finding that explains the status; None when every rule passed or is unknown."""
        first = worst(self.findings)
        return first if first and first.verdict not in (Verdict.OK, Verdict.UNKNOWN) else None

    def find(self, rule: str) -> Finding | None:
        """Return the finding of that rule, or None."""
        return next((finding for finding in self.findings if finding.rule == rule), None)


def evaluate(host: HostSnapshot, rules: RuleBook | RuleSettings, now: datetime) -> HostStatus:
    """Judge a host at a moment, from its newest samples; pure, one finding for every rule that applies."""
    case = Case.of(host, as_book(rules), now)
    offline = judge_offline(case)
    judged = tuple(_judge_all(case))
    skipped = tuple(one for one in judged if isinstance(one, Skipped))
    rest = tuple(one for one in judged if isinstance(one, Finding))
    if offline.verdict is Verdict.OFFLINE:
        rest = tuple(_hidden(finding) for finding in rest)
        return HostStatus(Status.OFFLINE, (offline, *rest), None, skipped)
    findings = (offline, *rest)
    return HostStatus(overall(findings), findings, earliest(finding.valid_until for finding in findings), skipped)


def _judge_all(case: Case) -> Iterator[Finding | Skipped]:
    off = case.rules.off
    for name, judge in _JUDGES:
        yield switched_off(case, name) if name in off else judge(case)


def switched_off(case: Case, rule: str) -> Skipped:
    """Return what is said of a rule that is off on a host."""
    return (_SWITCHED_OFF if "on" in case.rules.choose(rule).origins else _OFF)[rule]


def _judge_clock(case: Case) -> Finding:
    return graded(case, judge_clock_offset(case))


def _judge_collection(case: Case) -> Finding:
    return graded(case, judge_collection(case))


_JUDGES: tuple[tuple[str, Callable[[Case], Finding | Skipped]], ...] = (
    *((rule.name, rule.judge) for rule in DATA_RULES),
    ("collection", _judge_collection),
    ("clock_offset", _judge_clock),
    *((rule.name, rule.judge) for rule in FURTHER_RULES),
    ("scrub_duration", judge_scrub_duration),
    ("agent_outdated", judge_agent),
    ("days_until_full", judge_filling),
)


def _hidden(finding: Finding) -> Finding:
    """Return what a rule says of an offline host: its last samples no longer speak for it."""
    if finding.verdict is Verdict.UNKNOWN:
        return finding
    return replace(
        finding,
        verdict=Verdict.UNKNOWN,
        message=f"The host is offline; last known: {finding.message}",
        valid_until=None,
        details=(),
    )


def overall(findings: Sequence[Finding]) -> Status:
    """Return the status that findings make: the worst verdict, where what is unknown does not count."""
    first = worst(finding for finding in findings if finding.verdict is not Verdict.UNKNOWN)
    return Status(first.verdict.value) if first else Status.OK
