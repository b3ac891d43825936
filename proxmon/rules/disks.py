"""Rules on physical disks: how hot they are, and what SMART says."""

from __future__ import annotations

from collections.abc import Callable

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Verdict
from proxmon.payload import Disk, DisksSection, Section, Tier
from proxmon.rules.base import Case, Rule, Summary, failing, judge_each
from proxmon.rules.words import number, plural


def temperature(case: Case, disk: Disk) -> Detail:
    """Judge how hot a disk is."""
    celsius = disk.temperature_celsius
    assert celsius is not None
    is_critical = celsius > case.settings.disk_critical_celsius
    verdict = Verdict.CRITICAL if is_critical else failing(celsius >= case.settings.disk_warning_celsius)
    return Detail(disk.name, verdict, f"{disk.name} has {number(celsius)} °C", celsius)


def health(case: Case, disk: Disk) -> Detail:
    """Judge SMART's own verdict, the sectors and errors that it counts, and the wear."""
    if disk.smart_passed is False:
        return Detail(disk.name, Verdict.CRITICAL, f"{disk.name}: SMART expects it to fail")
    limits = (
        (disk.pending_sectors, 0.0, "pending sectors"),
        (disk.uncorrectable_sectors, 0.0, "uncorrectable sectors"),
        (disk.media_errors, 0.0, "media errors"),
        (disk.reallocated_sectors, case.settings.disk_max_reallocated, "reallocated sectors"),
        (disk.wear_percent, case.settings.disk_max_wear_percent, "% wear"),
    )
    found = [(value, words) for value, most, words in limits if value is not None and value > most]
    if not found:
        return Detail(disk.name, Verdict.OK, f"{disk.name} is healthy")
    words = ", ".join(f"{number(value)} {words}" for value, words in found)
    return Detail(disk.name, Verdict.WARNING, f"{disk.name} has {words}", found[0][0])


def _tells_health(disk: Disk) -> bool:
    told = (
        disk.smart_passed,
        disk.pending_sectors,
        disk.uncorrectable_sectors,
        disk.media_errors,
        disk.reallocated_sectors,
        disk.wear_percent,
    )
    return any(one is not None for one in told)


def _rule(
    name: str,
    judge: Callable[[Case, Disk], Detail],
    is_told: Callable[[Disk], bool],
    *,
    threshold: Callable[[RuleSettings], str],
    clears_when: str,
    passed: str,
    unit: str = "",
) -> Rule:
    def told(section: Section) -> list[Disk]:
        assert isinstance(section, DisksSection)
        return [one for one in section.disks or () if is_told(one)]

    return Rule(
        name=name,
        tier=Tier.SLOW,
        section="disks",
        threshold=threshold,
        clears_when=clears_when,
        summarize=lambda case, section: Summary.of(judge_each(case, name, told(section), judge, threshold)),
        passed=lambda details: f"{plural(len(details), 'disk')}: {passed}",
        unit=unit,
        reads=told,
        applies=lambda section: bool(told(section)),
    )


def _temperature_threshold(settings: RuleSettings) -> str:
    warning, critical = settings.disk_warning_celsius, settings.disk_critical_celsius
    return f"warning from {number(warning)} °C, critical above {number(critical)} °C"


def _health_threshold(settings: RuleSettings) -> str:
    sectors, wear = number(settings.disk_max_reallocated), number(settings.disk_max_wear_percent)
    return (
        f"critical when SMART expects a failure; warning above 0 pending or uncorrectable sectors or media errors, "
        f"{sectors} reallocated sectors, {wear} % wear"
    )


DISK_TEMPERATURE = _rule(
    "disk_temperature",
    temperature,
    lambda disk: disk.temperature_celsius is not None,
    threshold=_temperature_threshold,
    clears_when="The disk is cooler: are the fans running and the filters clean?",
    passed="none too hot",
    unit="°C",
)
DISK_HEALTH = _rule(
    "disk_health",
    health,
    _tells_health,
    threshold=_health_threshold,
    clears_when="The disk is replaced: see `smartctl -a`, then `zpool replace`.",
    passed="all healthy",
)
