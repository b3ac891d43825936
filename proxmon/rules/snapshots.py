"""Rules on snapshots that somebody wants: new enough ones, and not too many."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Verdict
from proxmon.payload import Dataset, DatasetsSection, Section, Tier
from proxmon.rules.base import Case, Rule, Summary, failing, judge_each
from proxmon.rules.words import number, plural, span

HOUR = timedelta(hours=1)


def newest(case: Case, dataset: Dataset) -> Detail:
    """Judge how old the newest snapshot of a dataset is; one that has none fails."""
    name, taken = dataset.name, dataset.newest_snapshot_unix
    if taken is None:
        if dataset.snapshot_count != 0:
            return Detail(name, Verdict.UNKNOWN, f"{name}: the agent did not send its newest snapshot")
        return Detail(name, Verdict.WARNING, f"{name} has no snapshot")
    taken_at, limit = datetime.fromtimestamp(taken, UTC), case.settings.newest_snapshot_max_hours * HOUR
    age = max(timedelta(0), case.now - taken_at)
    words = f"{name}: its newest snapshot is {span(age.total_seconds())} old"
    if age > limit:
        return Detail(name, Verdict.WARNING, words, age / HOUR)
    return Detail(name, Verdict.OK, words, age / HOUR, valid_until=taken_at + limit)


def count(case: Case, dataset: Dataset) -> Detail:
    """Judge how many snapshots a dataset has."""
    assert dataset.snapshot_count is not None
    is_many = dataset.snapshot_count > case.settings.snapshot_max_count
    words = f"{dataset.name} has {plural(dataset.snapshot_count, 'snapshot')}"
    return Detail(dataset.name, failing(is_many), words, dataset.snapshot_count)


def _rule(
    name: str,
    judge: Callable[[Case, Dataset], Detail],
    is_told: Callable[[Dataset], bool],
    *,
    threshold: Callable[[RuleSettings], str],
    clears_when: str,
    passed: str,
    unit: str,
) -> Rule:
    def told(section: Section) -> list[Dataset]:
        assert isinstance(section, DatasetsSection)
        return [one for one in section.datasets or () if is_told(one)]

    return Rule(
        name=name,
        tier=Tier.MEDIUM,
        section="zfs_datasets",
        threshold=threshold,
        clears_when=clears_when,
        summarize=lambda case, section: Summary.of(judge_each(case, name, told(section), judge, threshold)),
        passed=lambda details: f"{plural(len(details), 'dataset')}, {passed}",
        unit=unit,
        reads=lambda section: [(one.name, one.newest_snapshot_unix, one.snapshot_count) for one in told(section)],
        applies=lambda section: bool(told(section)),
    )


SNAPSHOT_NEWEST = _rule(
    "snapshot_newest",
    newest,
    lambda dataset: True,
    threshold=lambda settings: f"warning when older than {number(settings.newest_snapshot_max_hours)} h or missing",
    clears_when="The dataset has a snapshot that is new enough: does its timer still run?",
    passed="each with a snapshot that is new enough",
    unit="h",
)
SNAPSHOT_COUNT = _rule(
    "snapshot_count",
    count,
    lambda dataset: dataset.snapshot_count is not None,
    threshold=lambda settings: f"warning above {number(settings.snapshot_max_count)} snapshots",
    clears_when="The dataset has fewer snapshots: prune them by policy.",
    passed="none with too many snapshots",
    unit="snapshots",
)
