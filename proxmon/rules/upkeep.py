"""Rules on upkeep: old snapshots and pending updates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from proxmon.findings import Detail, Verdict
from proxmon.payload import Dataset, DatasetsSection, Section, SystemSection, Tier
from proxmon.rules.base import Case, Rule
from proxmon.rules.words import number, plural, span


def snapshot_details(case: Case, section: Section) -> Iterator[Detail]:
    """Judge the oldest snapshot of every dataset that has one."""
    assert isinstance(section, DatasetsSection)
    if section.datasets is None:
        yield Detail("", Verdict.UNKNOWN, "The agent did not send a list of datasets.")
    for pool in section.unknown_pools:
        yield Detail(pool, Verdict.UNKNOWN, f"{pool}: its datasets cannot be listed now")
    yield from (_oldest(case, dataset) for dataset in section.datasets or () if dataset.snapshot_count != 0)


def _oldest(case: Case, dataset: Dataset) -> Detail:
    name = dataset.name
    if dataset.oldest_snapshot_unix is None:
        if dataset.snapshot_count is None:
            return Detail(name, Verdict.UNKNOWN, f"{name}: the agent did not send its snapshots")
        return Detail(name, Verdict.UNKNOWN, f"{name}: the age of its oldest snapshot is not known")
    taken_at = datetime.fromtimestamp(dataset.oldest_snapshot_unix, UTC)
    limit = timedelta(days=case.settings.snapshot_max_days)
    age = max(timedelta(0), case.now - taken_at)
    words = f"{name}: its oldest snapshot is {span(age.total_seconds())} old"
    if age > limit:
        return Detail(name, Verdict.WARNING, words, age / timedelta(days=1))
    return Detail(name, Verdict.OK, words, age / timedelta(days=1), valid_until=taken_at + limit)


def _snapshots_passed(details: Sequence[Detail]) -> str:
    return f"{plural(len(details), 'dataset')} with snapshots, none too old" if details else "No snapshots on this host"


def update_details(case: Case, section: Section) -> Iterator[Detail]:
    """Judge the number of pending updates."""
    assert isinstance(section, SystemSection)
    count = section.pending_updates
    if count is None:
        yield Detail("", Verdict.UNKNOWN, "The agent does not know how many updates are pending.")
        return
    verdict = Verdict.WARNING if count > case.settings.updates_max else Verdict.OK
    security = f", {section.security_updates} of them security fixes" if section.security_updates else ""
    yield Detail("", verdict, f"{plural(count, 'update')} pending{security}", count)


SNAPSHOT_AGE = Rule(
    name="snapshot_age",
    tier=Tier.MEDIUM,
    section="zfs_datasets",
    threshold=lambda settings: f"warning when older than {number(settings.snapshot_max_days)} d",
    clears_when="No dataset has a snapshot older than the threshold: `zfs destroy` old ones, or prune them by policy.",
    details=snapshot_details,
    passed=_snapshots_passed,
    unit="d",
)
PENDING_UPDATES = Rule(
    name="pending_updates",
    tier=Tier.SLOW,
    section="system_info",
    threshold=lambda settings: f"warning above {number(settings.updates_max)}",
    clears_when="The updates are installed: `apt update && apt dist-upgrade`.",
    details=update_details,
    passed=lambda details: "No updates pending",
    unit="updates",
)
