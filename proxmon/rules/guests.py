"""Rules on guests: those that should run, and their backups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Verdict
from proxmon.payload import BackupsSection, FastPayload, GuestBackup, GuestRuntime, GuestsSection, Section, Tier
from proxmon.rules.base import Case, Rule, Summary, failing, judge_each
from proxmon.rules.words import number, plural, span

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest by the name that patterns choose it by, with what is known of its state and its backups."""

    name: str
    runtime: GuestRuntime | None = None
    backup: GuestBackup | None = None


def stopped(case: Case, guest: Guest) -> Detail:
    """Judge whether a guest that starts with the host runs; one that is locked is being worked on."""
    assert guest.runtime is not None
    is_stopped = guest.runtime.status != "running" and not guest.runtime.lock
    state = guest.runtime.status or "in no known state"
    return Detail(guest.name, failing(is_stopped), f"{guest.name} is {state}, and starts with the host")


def backup(case: Case, guest: Guest) -> Detail:
    """Judge when a guest was last saved, and whether the last run failed."""
    newest = guest.backup.newest_unix if guest.backup else None
    failed = guest.backup.failed_unix if guest.backup else None
    if newest is None:
        if failed is None:
            return Detail(guest.name, failing(case.settings.backup_required), f"{guest.name} has no backup")
        return Detail(guest.name, Verdict.WARNING, f"{guest.name} has no backup, and the last run failed")
    taken_at, limit = datetime.fromtimestamp(newest, UTC), timedelta(days=case.settings.backup_max_days)
    age = max(timedelta(0), case.now - taken_at)
    words, days = f"{guest.name} was saved {span(age.total_seconds())} ago", age / timedelta(days=1)
    if failed is not None and failed > newest:
        return Detail(guest.name, Verdict.WARNING, f"{words}; a later run failed", days)
    if age > limit:
        return Detail(guest.name, Verdict.WARNING, words, days)
    return Detail(guest.name, Verdict.OK, words, days, valid_until=taken_at + limit)


def _started(section: Section) -> list[Guest]:
    assert isinstance(section, GuestsSection)
    return [Guest(_name(one), one) for one in section.vms or () if one.onboot and not one.template]


def _states(section: Section) -> list[object]:
    return [(one.name, one.runtime and (one.runtime.status, one.runtime.lock)) for one in _started(section)]


def _saved(case: Case, section: Section) -> Iterator[Guest]:
    """Give the guests that have backups, and those whose backups are required."""
    assert isinstance(section, BackupsSection)
    runtimes = _runtimes(case)
    backups: Mapping[Key, GuestBackup] = {(one.type or "", one.vmid): one for one in section.guests or ()}
    for key, one in backups.items():
        # Backups outlive the guests that they are of.
        if runtimes is None or key in runtimes:
            runtime = (runtimes or {}).get(key)
            yield Guest(_name(runtime) if runtime else f"{key[0]}/{key[1]}", runtime, one)
    for key, runtime in (runtimes or {}).items():
        name = _name(runtime)
        is_required = case.rules.choose(BACKUP_AGE.name, name).settings.backup_required
        if key not in backups and is_required and not runtime.template:
            yield Guest(name, runtime)


def _runtimes(case: Case) -> dict[Key, GuestRuntime] | None:
    sample = case.host.samples.get(Tier.FAST)
    payload = sample.payload if sample else None
    section = payload.vms_runtime if isinstance(payload, FastPayload) else None
    if section is None or section.vms is None or section.error is not None:
        return None
    return {(one.type or "", one.vmid): one for one in section.vms}


def _name(guest: GuestRuntime) -> str:
    key = f"{guest.type or 'guest'}/{guest.vmid}"
    return f"{key} {guest.name}" if guest.name else key


def _backup_threshold(settings: RuleSettings) -> str:
    missing = " or missing" if settings.backup_required else ""
    return f"warning when older than {number(settings.backup_max_days)} d{missing}, or failed"


def _stopped_threshold(settings: RuleSettings) -> str:
    return "warning when a guest that starts with the host does not run"


GUEST_STOPPED = Rule(
    name="guest_stopped",
    tier=Tier.FAST,
    section="vms_runtime",
    threshold=_stopped_threshold,
    clears_when="The guest runs, or no longer starts with the host: `qm set VMID --onboot 0`.",
    summarize=lambda case, section: Summary.of(
        judge_each(case, "guest_stopped", _started(section), stopped, _stopped_threshold)
    ),
    passed=lambda details: f"{plural(len(details), 'guest')} that start with the host: all run",
    reads=_states,
    applies=lambda section: bool(_started(section)),
)
BACKUP_AGE = Rule(
    name="backup_age",
    tier=Tier.MEDIUM,
    section="backups",
    threshold=_backup_threshold,
    clears_when="A backup of the guest has succeeded: see Datacenter → Backup, or `vzdump VMID`.",
    summarize=lambda case, section: Summary.of(
        judge_each(case, "backup_age", _saved(case, section), backup, _backup_threshold)
    ),
    passed=lambda details: f"{plural(len(details), 'guest')} with backups, none too old",
    unit="d",
    # Which guests there are, and which are templates, is read as a fact of the host.
    reads=lambda section: section.guests,
    applies=lambda section: isinstance(section, BackupsSection) and section.guests is not None,
)
