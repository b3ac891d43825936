"""What all rules share: getting at fresh data, and making one finding of many details."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Finding, Verdict, earliest, worst
from proxmon.fleet import HostSnapshot
from proxmon.payload import Section, Tier
from proxmon.rules.words import shortened, span
from proxmon.samples import Sample

NO_REASON = "the agent did not say why"


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule judges: a host, the thresholds and the moment."""

    host: HostSnapshot
    settings: RuleSettings
    now: datetime


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

    ``summarize`` judges every subject of the section; ``passed`` says in words that there is nothing wrong.
    """

    name: str
    tier: Tier
    section: str
    threshold: Callable[[RuleSettings], str]
    clears_when: str
    summarize: Callable[[Case, Section], Summary]
    passed: Callable[[Sequence[Detail]], str]
    unit: str = ""

    def judge(self, case: Case) -> Finding:
        """Return the finding on this host; unknown where the data is missing, failed or too old."""
        sample = case.host.samples.get(self.tier)
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
            threshold=self.threshold(case.settings),
            clears_when=self.clears_when,
            value=first.value if first else None,
            unit=self.unit,
            subject=first.subject if first else "",
            observed_at=sample.fresh_at,
            valid_until=earliest((stale_at(case.settings, sample), summary.valid_until)),
            details=summary.details,
        )


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
