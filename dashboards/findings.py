"""The findings of a host as its page lists them: every rule, the worst first."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.event_rows import page_moment
from dashboards.formats import clock_text, plain, unix
from dashboards.newest import Newest
from dashboards.wording import finding_words, rule_label
from proxmon.findings import SEVERITY, Detail, Finding, Verdict
from proxmon.rules.words import quantity

# A rule may judge hundreds of datasets: what failed is listed, and the rest is counted.
MOST_DETAILS, MOST_PASSED = 20, 6


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One rule's result, ready for the template."""

    rule: str
    label: str
    verdict: str
    kind: str
    before: str
    after: str
    since: str | float | None
    value: str
    threshold: str
    clears_when: str
    began: float | None
    began_text: str
    shown_at: str
    observed: str | float | None
    details: tuple[Detail, ...]
    details_left: int
    details_passed: int


def finding_rows(newest: Newest) -> list[FindingRow]:
    """List the findings, the worst first; equal ones keep the rules' order."""
    found = sorted(newest.judged.status.findings, key=lambda finding: SEVERITY[finding.verdict])
    return [_row(newest, finding) for finding in found]


def _row(newest: Newest, finding: Finding) -> FindingRow:
    words = finding_words(newest.judged, finding)
    before, after = words.parts
    began = newest.judged.find_since(finding)
    details, passed = _listed_details(finding)
    return FindingRow(
        rule=finding.rule,
        label=rule_label(finding.rule),
        verdict=finding.verdict.value,
        kind=_kind(finding.verdict),
        before=before,
        after=after,
        since=newest.moment(words.since),
        value=_value(finding),
        threshold=finding.threshold,
        clears_when=finding.clears_when,
        began=unix(began),
        began_text=clock_text(began) if began else "",
        shown_at=page_moment(began) if began else "",
        observed=newest.moment(finding.observed_at),
        details=tuple(details[:MOST_DETAILS]) if len(finding.details) > 1 else (),
        details_left=max(0, len(details) - MOST_DETAILS),
        details_passed=passed,
    )


def _listed_details(finding: Finding) -> tuple[list[Detail], int]:
    """Return the details worth listing, the worst first, and how many that pass are only counted."""
    details = sorted(finding.details, key=lambda detail: SEVERITY[detail.verdict])
    failed = [detail for detail in details if detail.verdict is not Verdict.OK]
    passed = len(details) - len(failed)
    return (failed, passed) if failed and passed > MOST_PASSED else (details, 0)


def _kind(verdict: Verdict) -> str:
    return verdict.value if verdict in (Verdict.OK, Verdict.UNKNOWN) else "failed"


def _value(finding: Finding) -> str:
    # What the connection measures is the age of the newest sample, which counts on beside it.
    if finding.rule == "offline" or finding.value is None:
        return ""
    if isinstance(finding.value, str):
        return finding.value
    return quantity(finding.value, finding.unit) if finding.unit else plain(finding.value)
