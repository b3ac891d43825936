"""What an alert is, and the moments of its life."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proxmon.events import bound_texts
from proxmon.findings import Verdict
from proxmon.rulebook.catalog import Policy

_SPAN = re.compile(r" (?:for )?\d[\d.,]* \w+(?: ago)?$")
SERVER_ID = 0  # the host of an alert about the server itself; hosts count from 1


class Severity(StrEnum):
    """How bad an alert is. An offline host is critical."""

    WARNING = "warning"
    CRITICAL = "critical"


RANKS: Mapping[Severity | None, int] = {None: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
SEVERITIES = {
    Verdict.WARNING: Severity.WARNING,
    Verdict.CRITICAL: Severity.CRITICAL,
    Verdict.OFFLINE: Severity.CRITICAL,
}


class EventKind(StrEnum):
    """What can happen to an alert."""

    OPENED = "opened"
    ESCALATED = "escalated"
    EASED = "eased"
    FLAPPING = "flapping"
    STEADIED = "steadied"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Observation:
    """What the findings say of one cause on one subject at one moment.

    ``is_clear`` tells, where nothing fails, whether the value is past the threshold that ends an alert.
    ``observed_at`` is when the judged data was collected; it tells one sample from the next.
    ``policy`` is how it alerts; None leaves that to the rule.
    """

    cause: str
    subject: str
    rule: str
    verdict: Verdict
    message: str
    value: float | str | None = None
    unit: str = ""
    threshold: str = ""
    clears_when: str = ""
    observed_at: datetime | None = None
    is_clear: bool = True
    policy: Policy | None = None

    @property
    def severity(self) -> Severity | None:
        """Return how bad it is; None when it passed or is not known."""
        return SEVERITIES.get(self.verdict)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that is open. ``began_at`` is when the finding began, ``opened_at`` when it had held long enough."""

    id: int
    host_id: int
    seen: Observation
    severity: Severity
    began_at: datetime
    opened_at: datetime
    is_flapping: bool = False


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """A moment in an alert's life, with what was measured then.

    ``detail`` says why in words where that is not plain; ``actor`` who did it; ``until`` how long an acknowledgement
    lasts. No text is longer than an event's.
    """

    alert_id: int
    host_id: int
    happened_at: datetime
    kind: EventKind
    severity: Severity
    cause: str
    rule: str
    subject: str
    message: str
    value: float | str | None = None
    unit: str = ""
    threshold: str = ""
    clears_when: str = ""
    began_at: datetime | None = None
    actor: str = ""
    detail: str = ""
    until: datetime | None = None

    def __post_init__(self) -> None:
        bound_texts(self, ("cause", "rule", "subject", "message", "value", "threshold", "clears_when", "detail"))

    @property
    def lasting(self) -> str:
        """Return the message without for how long a host is offline, which does not stay true."""
        return _SPAN.sub("", self.message) if self.rule == "offline" else self.message


def event_of(alert: Alert, kind: EventKind, at: datetime, detail: str = "") -> AlertEvent:
    """Return an event of the alert as it is."""
    seen = alert.seen
    return AlertEvent(
        alert_id=alert.id,
        host_id=alert.host_id,
        happened_at=at,
        kind=kind,
        severity=alert.severity,
        cause=seen.cause,
        rule=seen.rule,
        subject=seen.subject,
        message=seen.message,
        value=seen.value,
        unit=seen.unit,
        threshold=seen.threshold,
        clears_when=seen.clears_when,
        began_at=alert.began_at,
        detail=detail,
    )
