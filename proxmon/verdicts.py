"""What a judgement of a host changes in what was recorded of it: events of its status and findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice

from proxmon.events import QUIET, Event, EventKind, Mark, Recorded, verdict_of
from proxmon.findings import SEVERITY, Finding, Status, Verdict
from proxmon.fleet import HostSnapshot
from proxmon.rules.words import said_no_longer
from proxmon.status import HostStatus

# Of a host by one judgement: a hundred thousand datasets that fail at once would hold up everybody for seconds.
MOST_CHANGES = 1_000


def verdict_events(recorded: Recorded, host: HostSnapshot, status: HostStatus, at: datetime) -> list[Event]:
    """List what a judgement changed: the status, and the verdict on each rule and subject.

    While a host is offline nothing is known of its subjects: their findings neither end nor begin by that.
    These are at most MOST_CHANGES at once: what is left is as it was recorded, and so a change again next time.
    """
    events = list(_status_events(recorded, host, status, at))
    if status.status is Status.OFFLINE:
        return events
    marks: dict[str, dict[str, Mark]] = {}
    for (rule, subject), mark in recorded.verdicts.items():
        marks.setdefault(rule, {})[subject] = mark
    for finding in status.findings:
        # What never arrived cannot have ended; that the host is there is told by its status.
        if finding.rule != "offline" and (finding.verdict is not Verdict.UNKNOWN or finding.observed_at is not None):
            room = MOST_CHANGES - len(events)
            events += islice(_finding_events(marks.get(finding.rule, {}), host, finding, at), room)
    return events


def _status_events(recorded: Recorded, host: HostSnapshot, status: HostStatus, at: datetime) -> Iterator[Event]:
    if status.status is recorded.status:
        return
    is_offline, first = status.status is Status.OFFLINE, status.worst_finding
    back = recorded.status is Status.OFFLINE
    yield Event(
        host_id=host.host.id,
        host=host.host.name,
        happened_at=at,
        kind=EventKind.OFFLINE if is_offline else EventKind.ONLINE if back else EventKind.STATUS,
        was=recorded.status,
        became=status.status,
        message=first.message if first else "Every rule that can be judged passes",
        started_at=host.last_seen_at if is_offline else recorded.since,
        recorded_at=at,
    )


def _finding_events(known: Mapping[str, Mark], host: HostSnapshot, finding: Finding, at: datetime) -> Iterator[Event]:
    current = _subjects(finding)
    # A rule that cannot be judged at all says nothing of its subjects, neither that they passed nor that they are gone.
    is_blind = not finding.details and finding.verdict is Verdict.UNKNOWN
    gone = [] if is_blind else [name for name, mark in known.items() if mark.verdict not in QUIET]
    changed: dict[str, tuple[str | None, str]] = {name: (None, "") for name in gone if name not in current}
    changed |= {name: one for name, one in current.items() if one[0] != verdict_of(known.get(name))}
    for subject, (verdict, message) in changed.items():
        mark = known.get(subject)
        yield Event(
            host_id=host.host.id,
            host=host.host.name,
            happened_at=at,
            kind=EventKind.FINDING,
            rule=finding.rule,
            subject=subject,
            was=mark.verdict if mark else None,
            became=verdict,
            message=message or said_no_longer(finding.rule, subject),
            started_at=mark.since if mark else None,
            recorded_at=at,
        )


def _subjects(finding: Finding) -> dict[str, tuple[str | None, str]]:
    """Return verdict and words of each subject that the finding judged; the worst where one was judged twice."""
    if not finding.details:
        return {"": (finding.verdict.value, finding.message)}
    ordered = sorted(finding.details, key=lambda detail: -SEVERITY[detail.verdict])
    return {detail.subject: (detail.verdict.value, detail.message) for detail in ordered}
