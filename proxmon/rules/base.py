"""What all rules share: getting at fresh data, and making one finding of many details."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Finding, Skipped, Verdict, earliest, worst
from proxmon.fleet import HostSnapshot
from proxmon.payload import Section, Tier
from proxmon.rulebook.book import Choice, HostRules, RuleBook
from proxmon.rules.words import shortened, span
from proxmon.samples import Sample

Words = Callable[[RuleSettings], str]
NO_REASON = "the agent did not say why"


class HasName(Protocol):
    """A subject of a rule."""

    @property
    def name(self) -> str:
        """Return what patterns choose it by."""
        ...


Named = TypeVar("Named", bound=HasName)


def whole(section: Section) -> object:
    """Return all that a section says."""
    return section


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule judges: a host, the thresholds that hold for it or for a subject of it, and the moment."""

    host: HostSnapshot
    rules: HostRules
    settings: RuleSettings
    now: datetime

    @classmethod
    def of(cls, host: HostSnapshot, rules: RuleBook, now: datetime) -> Case:
        """Return the case of a host as a whole."""
        of_host = rules.of_host(host.host.name)
        return cls(host, of_host, of_host.settings, now)

    def on(self, choice: Choice) -> Case:
        """Return the case with the thresholds of a choice."""
        return self if choice.settings is self.settings else replace(self, settings=choice.settings)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the details of a finding come to: the first of the worst, how many are as bad, and until when that holds."""

    worst: Detail | None
    count: int
    valid_until: datetime | None
    details: Sequence[Detail]

    @classmethod
    def of(cls, details: Iterable[Detail]) -> Summary:
        """Sum up details that are at hand."""
        made = tuple(details)
        first = worst(made)
        count = sum(first is not None and detail.verdict is first.verdict for detail in made)
        return cls(first, count, earliest(detail.valid_until for detail in made), made)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule on one section of one tier.

    ``summarize`` judges every subject of the section; ``passed`` says in words that there is nothing wrong. ``reads``
    gives all of the section that the verdicts depend on: where that is the same, so are they.
    """

    name: str
    tier: Tier
    section: str
    threshold: Words
    clears_when: str
    summarize: Callable[[Case, Section], Summary]
    passed: Callable[[Sequence[Detail]], str]
    unit: str = ""
    reads: Callable[[Any], object] = whole
    applies: Callable[[Section], bool] | None = None

    def judge(self, case: Case) -> Finding | Skipped:
        """Return the finding on this host; unknown where the data is missing, failed or too old.

        A rule with ``applies`` is skipped where the agent does not send what it reads.
        """
        sample = case.host.samples.get(self.tier)
        if self.applies is not None:
            section: Section | None = getattr(sample.payload, self.section) if sample else None
            if section is None or (section.error is None and not self.applies(section)):
                return Skipped(self.name, f"The agent does not send what this rule reads ({self.section}).")
        why = why_unknown(case, sample, self.tier, self.section)
        if sample is None or why:
            return self.unknown(case, why or "", sample)
        return self._judge(case, sample, self.summarize(case, getattr(sample.payload, self.section)))

    def unknown(self, case: Case, why: str, sample: Sample | None = None) -> Finding:
        """Return the finding for a host on which this rule cannot be judged."""
        return Finding(
            rule=self.name,
            verdict=Verdict.UNKNOWN,
            message=why,
            threshold=self.threshold(case.settings),
            clears_when=self.clears_when,
            unit=self.unit,
            observed_at=sample.fresh_at if sample else None,
        )

    def _judge(self, case: Case, sample: Sample, summary: Summary) -> Finding:
        first = summary.worst
        is_passed = first is None or first.verdict is Verdict.OK
        more = f" (and {summary.count - 1} more)" if summary.count > 1 else ""
        return Finding(
            rule=self.name,
            verdict=first.verdict if first else Verdict.OK,
            message=self.passed(summary.details) if is_passed or first is None else first.message + more,
            threshold=(first and first.threshold) or self.threshold(case.settings),
            clears_when=self.clears_when,
            value=first.value if first else None,
            unit=self.unit,
            subject=first.subject if first else "",
            observed_at=sample.fresh_at,
            valid_until=earliest((stale_at(case.settings, sample), summary.valid_until)),
            details=summary.details,
        )


def judge_each(
    case: Case, rule: str, subjects: Iterable[Named], judge: Callable[[Case, Named], Detail], words: Words
) -> Iterator[Detail]:
    """Judge every subject by what holds for it; those that the rule is switched off for are left out."""
    has_subjects = case.rules.has_subjects(rule)
    for one in subjects:
        choice = case.rules.choose(rule, one.name)
        if choice.is_on:
            detail = choice.grade(judge(case.on(choice), one))
            yield replace(detail, threshold=words(choice.settings)) if has_subjects else detail


def on_host(case: Case, rule: str, verdict: Verdict, message: str, value: float | None = None) -> Summary:
    """Return what a rule finds that judges the host itself."""
    return Summary.of([case.rules.choose(rule).grade(Detail("", verdict, message, value))])


def failing(is_failing: bool) -> Verdict:
    """Return a warning or ok."""
    return Verdict.WARNING if is_failing else Verdict.OK


def graded(case: Case, finding: Finding) -> Finding:
    """Return a finding on the host as a whole with the severity that was asked for."""
    if case.rules.choose(finding.rule).severity is None:
        return finding
    grade = case.rules.choose(finding.rule).grade
    verdict = grade(Detail("", finding.verdict, "")).verdict
    return replace(finding, verdict=verdict, details=tuple(grade(detail) for detail in finding.details))


def stale_at(settings: RuleSettings, sample: Sample) -> datetime:
    """Return from when the sample judges nothing any more; never sooner than a host would be called offline."""
    seconds = max(settings.stale_intervals * sample.interval_seconds, settings.offline_min_seconds)
    return sample.fresh_at + timedelta(seconds=seconds)


def why_unknown(case: Case, sample: Sample | None, tier: Tier, section: str) -> str | None:
    """Say why a section of a tier cannot be judged, or return None when it can."""
    if sample is None:
        return f"No {tier} sample has arrived yet."
    if case.now > stale_at(case.settings, sample):
        return f"The newest {tier} sample is {span((case.now - sample.fresh_at).total_seconds())} old."
    found: Section | None = getattr(sample.payload, section)
    if found is None:
        return f"The agent did not send {section}."
    if found.error is not None:
        return f"The agent could not collect {section}: {shortened(found.error) or NO_REASON}"
    return None
