"""Rules on Proxmox storages: whether they are there, and how full they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Verdict
from proxmon.payload import Section, Storage, StoragesSection, Tier
from proxmon.rules.base import Case, Rule, Summary, failing, judge_each
from proxmon.rules.words import number, number_near, plural


def inactive(case: Case, storage: Storage) -> Detail:
    """Judge whether the storage can be used."""
    words = f"{storage.name} is {'active' if storage.active else 'not active'}"
    return Detail(storage.name, failing(not storage.active), words)


def usage(case: Case, storage: Storage) -> Detail:
    """Judge how full the storage is."""
    assert storage.used_bytes is not None
    assert storage.total_bytes
    percent = 100 * storage.used_bytes / storage.total_bytes
    warning, critical = case.settings.storage_warning_percent, case.settings.storage_critical_percent
    verdict = Verdict.CRITICAL if percent > critical else failing(percent >= warning)
    words = f"{storage.name} is {number_near(percent, warning, critical)} % full"
    return Detail(storage.name, verdict, words, round(percent, 2))


def _tells_active(storage: Storage) -> bool:
    return storage.active is not None


def _tells_usage(storage: Storage) -> bool:
    """A storage on a zpool is as full as the pool, which has a rule of its own."""
    return storage.type != "zfspool" and storage.used_bytes is not None and bool(storage.total_bytes)


def _rule(
    name: str,
    judge: Callable[[Case, Storage], Detail],
    is_told: Callable[[Storage], bool],
    *,
    threshold: Callable[[RuleSettings], str],
    clears_when: str,
    passed: str,
    reads: Callable[[Storage], object],
    unit: str = "",
) -> Rule:
    def told(section: Section) -> list[Storage]:
        assert isinstance(section, StoragesSection)
        return [one for one in section.storages or () if is_told(one)]

    def words(details: Sequence[Detail]) -> str:
        return f"{plural(len(details), 'storage')}: {passed}"

    return Rule(
        name=name,
        tier=Tier.FAST,
        section="storage",
        threshold=threshold,
        clears_when=clears_when,
        summarize=lambda case, section: Summary.of(judge_each(case, name, told(section), judge, threshold)),
        passed=words,
        unit=unit,
        reads=lambda section: [reads(one) for one in told(section)],
        applies=lambda section: bool(told(section)),
    )


def _usage_threshold(settings: RuleSettings) -> str:
    warning, critical = settings.storage_warning_percent, settings.storage_critical_percent
    return f"warning from {number(warning)} %, critical above {number(critical)} %"


STORAGE_INACTIVE = _rule(
    "storage_inactive",
    inactive,
    _tells_active,
    threshold=lambda settings: "warning when not active",
    clears_when="The storage is active: see `pvesm status`; is its server reachable, its disk mounted?",
    passed="all active",
    reads=attrgetter("name", "active"),
)
STORAGE_USAGE = _rule(
    "storage_usage",
    usage,
    _tells_usage,
    threshold=_usage_threshold,
    clears_when="The storage is below the warning threshold: delete old backups or images.",
    passed="all with room",
    reads=attrgetter("name", "used_bytes", "total_bytes"),
    unit="%",
)
