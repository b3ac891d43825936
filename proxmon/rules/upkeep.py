"""Rules on upkeep: old snapshots and pending updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from proxmon.findings import Detail, LazyDetails, Verdict
from proxmon.payload import Dataset, DatasetsSection, Section, SystemSection, Tier
from proxmon.rules.base import Case, Rule, Summary
from proxmon.rules.words import day, number, plural, span

ONE_DAY = timedelta(days=1)
_NO_DATE = "the age of its oldest snapshot is not known"
Groups = Mapping[Verdict, Sequence[Dataset]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The dates between which an oldest snapshot passes, in seconds since 1970."""

    first: float
    last: float

    @classmethod
    def of(cls, case: Case) -> Bounds:
        """Return the bounds for a case; what is dated in the future is not believed, but for what clocks may differ."""
        now, settings = case.now.timestamp(), case.settings
        return cls(now - settings.snapshot_max_days * 86_400, now + settings.clock_max_seconds)

    def verdict(self, dataset: Dataset) -> Verdict:
        """Judge a dataset that has snapshots."""
        oldest = dataset.oldest_snapshot_unix
        if oldest is None or oldest > self.last:
            return Verdict.UNKNOWN
        return Verdict.WARNING if oldest < self.first else Verdict.OK


def snapshot_age(case: Case, section: Section) -> Summary:
    """Judge the oldest snapshot of every dataset that has one.

    A host may have thousands of datasets: they are sorted by verdict here, and put into words when somebody reads them.
    """
    assert isinstance(section, DatasetsSection)
    bounds, unlisted = Bounds.of(case), tuple(_unlisted(section))
    judged = [dataset for dataset in section.datasets or () if _has_snapshots(dataset)]
    groups: dict[Verdict, list[Dataset]] = {Verdict.WARNING: [], Verdict.UNKNOWN: [], Verdict.OK: []}
    for dataset in judged:
        groups[bounds.verdict(dataset)].append(dataset)
    return Summary(
        *_worst(case, bounds, unlisted, groups),
        _next_change(case, bounds, groups),
        LazyDetails(len(unlisted) + len(judged), lambda: (*unlisted, *(_detail(case, bounds, one) for one in judged))),
    )


def _unlisted(section: DatasetsSection) -> Iterator[Detail]:
    if section.datasets is None:
        yield Detail("", Verdict.UNKNOWN, "The agent did not send a list of datasets.")
    for pool in section.unknown_pools or ():
        yield Detail(pool, Verdict.UNKNOWN, f"{pool}: its datasets cannot be listed now")


def _has_snapshots(dataset: Dataset) -> bool:
    return dataset.snapshot_count != 0 or dataset.oldest_snapshot_unix is not None


def _worst(case: Case, bounds: Bounds, unlisted: Sequence[Detail], groups: Groups) -> tuple[Detail | None, int]:
    """Return the worst detail, of equal ones that of the oldest snapshot, and how many are as bad."""
    verdict = next((verdict for verdict, group in groups.items() if group), None)
    if unlisted and verdict is not Verdict.WARNING:
        return unlisted[0], len(unlisted) + len(groups[Verdict.UNKNOWN])
    if verdict is None:
        return None, 0
    return _detail(case, bounds, min(groups[verdict], key=_date)), len(groups[verdict])


def _date(dataset: Dataset) -> float:
    return dataset.oldest_snapshot_unix or 0.0


def _next_change(case: Case, bounds: Bounds, groups: Groups) -> datetime | None:
    """Return when the first snapshot becomes too old, or one that is dated in the future can be believed."""
    waits = [_date(one) - bounds.first for one in groups[Verdict.OK]]
    waits += [_date(one) - bounds.last for one in groups[Verdict.UNKNOWN] if one.oldest_snapshot_unix is not None]
    return case.now + timedelta(seconds=min(waits)) if waits else None


def _detail(case: Case, bounds: Bounds, dataset: Dataset) -> Detail:
    name, oldest, verdict = dataset.name, dataset.oldest_snapshot_unix, bounds.verdict(dataset)
    if oldest is None:
        what = "the agent did not send its snapshots" if dataset.snapshot_count is None else _NO_DATE
        return Detail(name, verdict, f"{name}: {what}")
    taken_at = datetime.fromtimestamp(oldest, UTC)
    if verdict is Verdict.UNKNOWN:
        words = f"{name}: its oldest snapshot is dated in the future, {day(taken_at)}: check the host's clock"
        return Detail(name, verdict, words)
    age = max(timedelta(0), case.now - taken_at)
    return Detail(name, verdict, f"{name}: its oldest snapshot is {span(age.total_seconds())} old", age / ONE_DAY)


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
    return Summary.of([Detail("", verdict, f"{plural(count, 'update')} pending{security}", count)])


SNAPSHOT_AGE = Rule(
    name="snapshot_age",
    tier=Tier.MEDIUM,
    section="zfs_datasets",
    threshold=lambda settings: f"warning when older than {number(settings.snapshot_max_days)} d",
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
