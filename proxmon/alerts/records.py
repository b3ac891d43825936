"""Alerts as they are told: folded from the events of their lives, now or as of a past moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from proxmon.alerts.model import RANKS, Alert, AlertEvent, EventKind, Observation, Severity
from proxmon.findings import Verdict

# How many alerts are not over, by severity and by ``open`` or ``acknowledged``.
AlertCounts = Mapping[tuple[Severity, str], int]


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody knows of an alert, at the severity that it had then."""

    by: str
    at: datetime
    severity: Severity
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert with all of its moments; ``newest`` is the event that says how it is."""

    id: int
    host_id: int
    severity: Severity
    worst: Severity
    newest: AlertEvent
    began_at: datetime
    opened_at: datetime
    closed_at: datetime | None = None
    is_flapping: bool = False
    acknowledged: Acknowledgement | None = None
    events: tuple[AlertEvent, ...] = ()

    @property
    def is_open(self) -> bool:
        """Tell whether it goes on."""
        return self.closed_at is None

    def is_acknowledged(self, now: datetime) -> bool:
        """Tell whether somebody knows of it as it is: an alert that worsened since then speaks again."""
        known = self.acknowledged
        is_valid = known is not None and (known.until is None or now < known.until)
        return self.is_open and is_valid and known is not None and RANKS[self.severity] <= RANKS[known.severity]

    def state(self, now: datetime) -> str:
        """Return ``open``, ``acknowledged`` or ``closed``."""
        return ("acknowledged" if self.is_acknowledged(now) else "open") if self.is_open else "closed"


def count_alerts(records: Iterable[AlertRecord], now: datetime) -> AlertCounts:
    """Return how many alerts are not over; every severity and state has a number."""
    counts = {(severity, state): 0 for severity in Severity for state in ("open", "acknowledged")}
    for record in records:
        if record.is_open:
            counts[record.severity, record.state(now)] += 1
    return counts


def fold(events: Iterable[AlertEvent]) -> dict[int, AlertRecord]:
    """Return the alerts that the events tell of, by id; events come in the order in which they happened."""
    records: dict[int, AlertRecord] = {}
    for event in events:
        records[event.alert_id] = follow(records.get(event.alert_id), event)
    return records


def follow(record: AlertRecord | None, event: AlertEvent) -> AlertRecord:
    """Return the alert after one more event."""
    if record is None:
        record = AlertRecord(
            event.alert_id,
            event.host_id,
            event.severity,
            event.severity,
            event,
            began_at=event.began_at or event.happened_at,
            opened_at=event.happened_at,
        )
    worst = max(record.worst, event.severity, key=lambda one: RANKS[one])
    record = replace(record, severity=event.severity, worst=worst, events=(*record.events, event))
    if event.kind is EventKind.ACKNOWLEDGED:
        known = Acknowledgement(event.actor, event.happened_at, event.severity, event.detail, event.until)
        return replace(record, acknowledged=known)
    if event.kind is EventKind.UNACKNOWLEDGED:
        return replace(record, acknowledged=None)
    if event.kind is EventKind.CLOSED:
        return replace(record, closed_at=event.happened_at, is_flapping=False)
    is_flapping = event.kind is EventKind.FLAPPING or (record.is_flapping and event.kind is not EventKind.STEADIED)
    return replace(record, newest=event, is_flapping=is_flapping)


def revive(record: AlertRecord) -> Alert:
    """Return an open alert as the engine follows it, from its record."""
    event = record.newest
    seen = Observation(
        cause=event.cause,
        subject=event.subject,
        rule=event.rule,
        verdict=Verdict(record.severity.value),
        message=event.message,
        value=event.value,
        unit=event.unit,
        threshold=event.threshold,
        clears_when=event.clears_when,
    )
    return Alert(
        record.id, record.host_id, seen, record.severity, record.began_at, record.opened_at, record.is_flapping
    )
