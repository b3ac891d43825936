"""Sentences of the findings as pages show them, with the part that goes on counting apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from proxmon.board import JudgedHost
from proxmon.findings import Finding, Verdict
from proxmon.fleet import HostSnapshot

LABELS = {
    "offline": "Connection",
    "zpool_health": "Zpool health",
    "zpool_capacity": "Zpool capacity",
    "zpool_errors": "Zpool errors",
    "scrub_age": "Age of the last scrub",
    "snapshot_age": "Age of snapshots",
    "pending_updates": "Pending updates",
    "collection": "Collection",
    "clock_offset": "Clock",
    "redundancy": "Redundancy left",
    "scrub_duration": "Duration of scrubs",
    "storage_inactive": "Inactive storages",
    "storage_usage": "Storage usage",
    "guest_stopped": "Stopped guests",
    "backup_age": "Backups of guests",
    "snapshot_newest": "Newest snapshots",
    "snapshot_count": "Number of snapshots",
    "load": "Load",
    "memory": "Memory",
    "reboot_required": "Reboot required",
    "security_updates": "Security updates",
    "disk_health": "Disk health",
    "disk_temperature": "Disk temperature",
    "certificate": "Certificates",
    "agent_outdated": "Agent version",
    "days_until_full": "Days until full",
    "channel": "Channel",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence; where ``since`` is set, ``{}`` in it stands for the time that has passed since then."""

    text: str
    since: datetime | None = None

    @property
    def parts(self) -> tuple[str, str]:
        """Return what stands before and after the counting part."""
        before, _, after = self.text.partition("{}")
        return before, after


def rule_label(rule: str) -> str:
    """Return a rule's name in words; an unheard-of rule keeps its own."""
    return LABELS.get(rule, rule.replace("_", " "))


def finding_words(judged: JudgedHost, finding: Finding) -> Words:
    """Return a finding's sentence. That of a silent host was made when it fell silent, so its span has to count on."""
    if finding.rule == "offline" and finding.verdict is Verdict.OFFLINE:
        return _silence(judged.snapshot, finding)
    return Words(finding.message)


def _silence(host: HostSnapshot, finding: Finding) -> Words:
    seen = host.last_seen_at
    if seen is None or (host.rotated_at is not None and host.rotated_at >= seen):
        return Words(finding.message)
    if host.left_at is not None and host.left_at >= seen:
        return Words("The agent was stopped {} ago", host.left_at)
    return Words("No sample for {}", seen)
