"""Rules on upkeep: old snapshots and pending updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from proxmon.config import RuleSettings
from proxmon.findings import Detail, LazyDetails, Verdict
from proxmon.payload import Dataset, DatasetsSection, Section, SystemSection, Tier
from proxmon.rulebook.book import Choice
from proxmon.rules.base import Case, Rule, Summary
from proxmon.rules.words import day, number, plural, span

ORDER = (Verdict.CRITICAL, Verdict.WARNING, Verdict.UNKNOWN, Verdict.OK)
ONE_DAY = timedelta(days=1)
_NO_DATE = "the age of its oldest snapshot is not known"
Groups = Mapping[Verdict, Sequence["Bounded"]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The dates between which an oldest snapshot passes, in seconds since 1970."""

    first: float
    last: float
    failed: Verdict
    threshold: str = ""

    @classmethod
    def of(cls, case: Case, choice: Choice) -> Bounds:
        """Return the bounds for a choice; what is dated in the future is not believed, but for what clocks differ."""
        now, settings = case.now.timestamp(), choice.settings
        first, last = now - settings.snapshot_max_days * 86_400, now + settings.clock_max_seconds
        threshold = _snapshot_threshold(settings) if case.rules.has_subjects(SNAPSHOT_AGE.name) else ""
        return cls(first, last, choice.severity or Verdict.WARNING, threshold)

    def verdict(self, dataset: Dataset) -> Verdict:
        """Judge a dataset that has snapshots."""
        oldest = dataset.oldest_snapshot_unix
        if oldest is None or oldest > self.last:
            return Verdict.UNKNOWN
        return self.failed if oldest < self.first else Verdict.OK


Bounded = tuple[Dataset, Bounds]


def snapshot_age(case: Case, section: Section) -> Summary:
    """Judge the oldest snapshot of every dataset that has one.

    A host may have thousands of datasets: they are sorted by verdict here, and put into words when somebody reads them.
    """
    assert isinstance(section, DatasetsSection)
    unlisted, judged = tuple(_unlisted(section)), _bounded(case, section)
    groups: dict[Verdict, list[Bounded]] = {verdict: [] for verdict in ORDER}
    for dataset, bounds in judged:
        groups[bounds.verdict(dataset)].append((dataset, bounds))
    return Summary(
        *_worst(case, unlisted, groups),
        _next_change(case, groups),
        LazyDetails(len(unlisted) + len(judged), lambda: (*unlisted, *(_detail(case, *one) for one in judged))),
    )


def _bounded(case: Case, section: DatasetsSection) -> list[Bounded]:
    """List every dataset that has snapshots with the bounds that hold for it; those that are switched off are not."""
    rules, name = case.rules, SNAPSHOT_AGE.name
    judged = filter(_has_snapshots, section.datasets or ())
    if not rules.has_subjects(name):
        bounds = Bounds.of(case, rules.choose(name))
        return [(dataset, bounds) for dataset in judged]
    made: dict[int, Bounds] = {}
    found: list[Bounded] = []
    for dataset in judged:
        choice = rules.choose(name, dataset.name)
        if choice.is_on:
            found.append((dataset, made.get(id(choice)) or made.setdefault(id(choice), Bounds.of(case, choice))))
    return found


def _unlisted(section: DatasetsSection) -> Iterator[Detail]:
    if section.datasets is None:
        yield Detail("", Verdict.UNKNOWN, "The agent did not send a list of datasets.")
    for pool in section.unknown_pools or ():
        yield Detail(pool, Verdict.UNKNOWN, f"{pool}: its datasets cannot be listed now")


def _has_snapshots(dataset: Dataset) -> bool:
    return dataset.snapshot_count != 0 or dataset.oldest_snapshot_unix is not None


def _worst(case: Case, unlisted: Sequence[Detail], groups: Groups) -> tuple[Detail | None, int]:
    """Return the worst detail, of equal ones that of the oldest snapshot, and how many are as bad."""
    verdict = next((verdict for verdict in ORDER if groups[verdict]), None)
    if unlisted and verdict not in (Verdict.CRITICAL, Verdict.WARNING):
        return unlisted[0], len(unlisted) + len(groups[Verdict.UNKNOWN])
    if verdict is None:
        return None, 0
    return _detail(case, *min(groups[verdict], key=lambda one: _date(one[0]))), len(groups[verdict])


def _date(dataset: Dataset) -> float:
    return dataset.oldest_snapshot_unix or 0.0


def _next_change(case: Case, groups: Groups) -> datetime | None:
    """Return when the first snapshot becomes too old, or one that is dated in the future can be believed."""
    waits = [_date(one) - bounds.first for one, bounds in groups[Verdict.OK]]
    unknown = groups[Verdict.UNKNOWN]
    waits += [_date(one) - bounds.last for one, bounds in unknown if one.oldest_snapshot_unix is not None]
    return case.now + timedelta(seconds=min(waits)) if waits else None


def _detail(case: Case, dataset: Dataset, bounds: Bounds) -> Detail:
    name, oldest, verdict = dataset.name, dataset.oldest_snapshot_unix, bounds.verdict(dataset)
    if oldest is None:
        what = "the agent did not send its snapshots" if dataset.snapshot_count is None else _NO_DATE
        return Detail(name, verdict, f"{name}: {what}")
    taken_at = datetime.fromtimestamp(oldest, UTC)
    if verdict is Verdict.UNKNOWN:
        words = f"{name}: its oldest snapshot is dated in the future, {day(taken_at)}: check the host's clock"
        return Detail(name, verdict, words)
    age = max(timedelta(0), case.now - taken_at)
    words = f"{name}: its oldest snapshot is {span(age.total_seconds())} old"
    return Detail(name, verdict, words, age / ONE_DAY, threshold=bounds.threshold)


def _snapshot_threshold(settings: RuleSettings) -> str:
    return f"warning when older than {number(settings.snapshot_max_days)} d"


def _snapshots_passed(details: Sequence[Detail]) -> str:
    return f"{plural(len(details), 'dataset')} with snapshots, none too old" if details else "No snapshots on this host"


def pending_updates(case: Case, section: Section) -> Summary:
    """Judge the number of pending updates."""
    assert isinstance(section, SystemSection)
    count = section.pending_updates
    if count is None:
        return Summary.of([Detail("", Verdict.UNKNOWN, "The agent does not know how many updates are pending.")])
    verdict = Verdict.WARNING if count > case.settings.updates_max else Verdict.OK
    security = f", {section.security_updates} of them security fixes" if section.security_updates else ""
    choice = case.rules.choose(PENDING_UPDATES.name)
    return Summary.of([choice.grade(Detail("", verdict, f"{plural(count, 'update')} pending{security}", count))])


SNAPSHOT_AGE = Rule(
    name="snapshot_age",
    tier=Tier.MEDIUM,
    section="zfs_datasets",
    threshold=_snapshot_threshold,
    clears_when="No dataset has a snapshot older than the threshold: `zfs destroy` old ones, or prune them by policy.",
    summarize=snapshot_age,
    passed=_snapshots_passed,
    unit="d",
)
PENDING_UPDATES = Rule(
    name="pending_updates",
    tier=Tier.SLOW,
    section="system_info",
    threshold=lambda settings: f"warning above {number(settings.updates_max)}",
    clears_when="The updates are installed: `apt update && apt dist-upgrade`.",
    summarize=pending_updates,
    passed=lambda details: "No updates pending",
    unit="updates",
)
