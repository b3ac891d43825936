"""Rules on the host itself: load, memory, reboots, security updates, certificates and its agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Finding, Skipped, Verdict
from proxmon.payload import HostSection, Section, SystemSection, Tier
from proxmon.rules.base import Case, Rule, Summary, failing, judge_each, on_host
from proxmon.rules.words import day, number, number_near, plural
from proxmon.samples import parse_time
from proxmon.version import __version__


@dataclass(frozen=True, slots=True)
class Ending:
    """A certificate, by its path, and when it ends."""

    name: str
    ends_at: datetime


def load(case: Case, section: Section) -> Summary:
    """Judge the load of the last 15 minutes for each CPU."""
    assert isinstance(section, HostSection)
    assert section.load15 is not None
    assert section.cpu_count
    load, most = section.load15 / section.cpu_count, case.settings.load_max_per_cpu
    words = f"Load {number(section.load15)} on {plural(section.cpu_count, 'CPU')}"
    return on_host(case, "load", failing(load > most), words, round(load, 3))


def memory(case: Case, section: Section) -> Summary:
    """Judge the memory in use without ZFS's cache, which gives way to programs."""
    percent = _memory_percent(section)
    assert percent is not None
    most = case.settings.memory_max_percent
    words = f"Memory is {number_near(percent, most)} % used without ZFS's cache"
    return on_host(case, "memory", failing(percent > most), words, round(percent, 2))


def _memory_percent(section: Section) -> float | None:
    assert isinstance(section, HostSection)
    if section.mem_used_bytes is None or not section.mem_total_bytes:
        return None
    return 100 * max(0.0, section.mem_used_bytes - (section.arc_bytes or 0.0)) / section.mem_total_bytes


def reboot(case: Case, section: Section) -> Summary:
    """Judge whether the host waits for a reboot."""
    is_required = isinstance(section, SystemSection) and section.reboot_required is True
    words = "A reboot is required" if is_required else "No reboot is required"
    return on_host(case, "reboot_required", failing(is_required), words)


def security(case: Case, section: Section) -> Summary:
    """Judge the number of pending security updates."""
    assert isinstance(section, SystemSection)
    count = section.security_updates or 0
    words = f"{plural(count, 'security update')} pending"
    return on_host(case, "security_updates", failing(count > case.settings.security_updates_max), words, count)


def certificate(case: Case, ending: Ending) -> Detail:
    """Judge how long a certificate is still valid."""
    left, settings = ending.ends_at - case.now, case.settings
    warning, critical = (
        timedelta(days=days) for days in (settings.certificate_warning_days, settings.certificate_critical_days)
    )
    verdict = Verdict.CRITICAL if left < critical else failing(left < warning)
    ends = "ended" if left < timedelta(0) else "ends"
    changes_at = {Verdict.OK: ending.ends_at - warning, Verdict.WARNING: ending.ends_at - critical}
    words = f"{ending.name} {ends} on {day(ending.ends_at)}"
    return Detail(ending.name, verdict, words, left / timedelta(days=1), valid_until=changes_at.get(verdict))


def _endings(section: Section) -> list[Ending]:
    assert isinstance(section, SystemSection)
    found: list[Ending] = []
    for number_of, one in enumerate(section.certificates or (), 1):
        try:
            found.append(Ending(one.path or f"certificate {number_of}", parse_time(one.ends_at or "")))
        except (ValueError, OverflowError):
            continue
    return found


def judge_agent(case: Case) -> Finding | Skipped:
    """Judge whether the host's agent is as new as the server."""
    newest = case.host.newest_sample
    mine, theirs = version_of(__version__), version_of(newest.agent_version if newest else "")
    if newest is None or mine is None or theirs is None:
        return Skipped("agent_outdated", "The agent sends no version that can be compared.")
    verdict = case.rules.choose("agent_outdated").grade(Detail("", failing(theirs < mine), "")).verdict
    return Finding(
        rule="agent_outdated",
        verdict=verdict,
        message=f"The agent is version {newest.agent_version}, the server {__version__}",
        threshold=f"warning below {__version__}",
        clears_when="The agent is updated: run the command that installs it again.",
        value=newest.agent_version,
        observed_at=newest.received_at,
    )


def version_of(text: str) -> tuple[int, ...] | None:
    """Return the numbers of a version such as ``1.4.2``; None for what is none."""
    parts = text.strip().split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() and len(part) < 9 for part in parts) else None


def _rule(
    name: str,
    tier: Tier,
    section: str,
    summarize: Callable[[Case, Section], Summary],
    *,
    applies: Callable[[Section], bool],
    reads: Callable[[Any], object],
    threshold: Callable[[RuleSettings], str],
    clears_when: str,
    unit: str = "",
) -> Rule:
    return Rule(
        name=name,
        tier=tier,
        section=section,
        threshold=threshold,
        clears_when=clears_when,
        summarize=summarize,
        passed=lambda details: details[0].message if len(details) == 1 else f"{len(details)} certificates are valid",
        unit=unit,
        reads=reads,
        applies=applies,
    )


def _tells_load(section: Section) -> bool:
    return isinstance(section, HostSection) and section.load15 is not None and bool(section.cpu_count)


def _tells_security(section: Section) -> bool:
    return isinstance(section, SystemSection) and section.security_updates is not None


def _tells_reboot(section: Section) -> bool:
    return isinstance(section, SystemSection) and section.reboot_required is not None


def _certificate_threshold(settings: RuleSettings) -> str:
    warning, critical = settings.certificate_warning_days, settings.certificate_critical_days
    return f"warning below {number(warning)} d, critical below {number(critical)} d"


LOAD = _rule(
    "load",
    Tier.FAST,
    "host",
    load,
    applies=_tells_load,
    reads=attrgetter("load15", "cpu_count"),
    threshold=lambda settings: f"warning above {number(settings.load_max_per_cpu)} for each CPU",
    clears_when="The load over 15 minutes has come down: see `top` and each guest's CPU.",
)
MEMORY = _rule(
    "memory",
    Tier.FAST,
    "host",
    memory,
    applies=lambda section: _memory_percent(section) is not None,
    reads=_memory_percent,
    threshold=lambda settings: f"warning above {number(settings.memory_max_percent)} %",
    clears_when="Less memory is in use: give guests less, or move some of them.",
    unit="%",
)
REBOOT_REQUIRED = _rule(
    "reboot_required",
    Tier.SLOW,
    "system_info",
    reboot,
    applies=_tells_reboot,
    reads=attrgetter("reboot_required"),
    threshold=lambda settings: "warning when a reboot is required",
    clears_when="The host was rebooted.",
)
SECURITY_UPDATES = _rule(
    "security_updates",
    Tier.SLOW,
    "system_info",
    security,
    applies=_tells_security,
    reads=attrgetter("security_updates"),
    threshold=lambda settings: f"warning above {number(settings.security_updates_max)}",
    clears_when="The updates are installed: `apt update && apt dist-upgrade`.",
    unit="updates",
)
CERTIFICATE = _rule(
    "certificate",
    Tier.SLOW,
    "system_info",
    lambda case, section: Summary.of(
        judge_each(case, "certificate", _endings(section), certificate, _certificate_threshold)
    ),
    applies=lambda section: bool(_endings(section)),
    reads=attrgetter("certificates"),
    threshold=_certificate_threshold,
    clears_when="The certificate is renewed: `pvenode acme cert renew`, or `pvecm updatecerts --force`.",
    unit="d",
)
