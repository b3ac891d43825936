"""The one function that judges a host: pages, API, alerts and notebooks all call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from proxmon.config import RuleSettings
from proxmon.findings import Finding, Status, Verdict, earliest, worst
from proxmon.fleet import HostSnapshot
from proxmon.rules.base import Case, Rule
from proxmon.rules.connection import judge_clock_offset, judge_collection, judge_offline
from proxmon.rules.upkeep import PENDING_UPDATES, SNAPSHOT_AGE
from proxmon.rules.zpools import SCRUB_AGE, ZPOOL_CAPACITY, ZPOOL_ERRORS, ZPOOL_HEALTH

DATA_RULES: tuple[Rule, ...] = (
    ZPOOL_HEALTH,
    ZPOOL_CAPACITY,
    ZPOOL_ERRORS,
    SCRUB_AGE,
    SNAPSHOT_AGE,
    PENDING_UPDATES,
)
RULE_NAMES = ("offline", *(rule.name for rule in DATA_RULES), "collection", "clock_offset")

# The order in which statuses are shown: what needs somebody first comes first.
WORST_FIRST = (Status.CRITICAL, Status.WARNING, Status.OFFLINE, Status.OK)


@dataclass(frozen=True, slots=True)
class HostStatus:
    """Our verdict on a host: a finding for every rule, the status they make, and until when time leaves it as it is."""

    status: Status
    findings: tuple[Finding, ...]
    valid_until: datetime | None

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


def evaluate(host: HostSnapshot, rules: RuleSettings, now: datetime) -> HostStatus:
    """Judge a host at a moment, from its newest samples; pure, one finding for every rule."""
    case = Case(host, rules, now)
    offline = judge_offline(case)
    rest = (*(rule.judge(case) for rule in DATA_RULES), judge_collection(case), judge_clock_offset(case))
    if offline.verdict is Verdict.OFFLINE:
        rest = tuple(_hidden(finding) for finding in rest)
        return HostStatus(Status.OFFLINE, (offline, *rest), valid_until=None)
    findings = (offline, *rest)
    return HostStatus(overall(findings), findings, earliest(finding.valid_until for finding in findings))


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
