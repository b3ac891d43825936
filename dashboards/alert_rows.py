"""Alerts as the rows that a browser draws."""

from __future__ import annotations

from datetime import datetime

from dashboards.components import Message
from dashboards.formats import unix
from dashboards.wording import rule_label
from proxmon.alerts.model import AlertEvent, EventKind, Severity
from proxmon.alerts.records import AlertRecord
from proxmon.alerts.silences import Silence
from proxmon.context import Monitor
from proxmon.rules.words import quantity

SERVER = "proxmon"
MOST_NEWEST = 5  # a desktop shows no more of them at once
WORDS = {
    EventKind.OPENED: "Opened",
    EventKind.ESCALATED: "Became critical",
    EventKind.EASED: "Eased to a warning",
    EventKind.FLAPPING: "Flaps",
    EventKind.STEADIED: "Steady again",
    EventKind.ACKNOWLEDGED: "Acknowledged",
    EventKind.UNACKNOWLEDGED: "Acknowledgement taken back",
    EventKind.CLOSED: "Ended",
}


def alert_row(record: AlertRecord, host: str | None, now: datetime, silence: Silence | None = None) -> Message:
    """Return an alert as a row; ``host`` is None where it has none any more."""
    newest, known = record.newest, record.acknowledged
    return {
        "key": str(record.id),
        "host": host or (SERVER if not record.host_id else ""),
        "is_linked": host is not None,
        "state": record.state(now),
        "severity": record.severity.value,
        "worst": record.worst.value,
        "label": rule_label(newest.rule),
        "rule": newest.rule,
        "subject": newest.subject,
        "message": newest.lasting,
        "measured": measured(newest),
        "threshold": newest.threshold,
        "clears_when": newest.clears_when,
        "began": unix(record.began_at),
        "opened": unix(record.opened_at),
        "closed": unix(record.closed_at),
        "flapping": record.is_flapping,
        "silenced": silence and silence.reason,
        "acknowledged": known
        and {"by": known.by, "at": unix(known.at), "reason": known.reason, "until": unix(known.until)},
        "events": [_event(event) for event in record.events],
    }


def silence_row(silence: Silence, now: datetime) -> Message:
    """Return a silence as a row: what it covers in words, and until when."""
    return {
        "key": str(silence.id),
        "what": silence_words(silence),
        "reason": silence.reason,
        "by": silence.by,
        "starts": unix(silence.starts_at) if silence.starts_at > now else None,
        "ends": unix(silence.ends_at),
        "hours": silence.hours.text if silence.hours else "",
    }


def silence_words(silence: Silence) -> str:
    """Say what a silence covers."""
    if silence.alert_id is not None:
        return f"Alert {silence.alert_id}"
    parts = [
        "all hosts" if silence.host == "*" else silence.host,
        "" if silence.rule == "*" else rule_label(silence.rule),
        "" if silence.subject == "*" else silence.subject,
    ]
    return " · ".join(part for part in parts if part)


def alert_counts(monitor: Monitor) -> Message:
    """Return what every page's header says: how many alerts wait for somebody, and the newest of them in words."""
    now, desk = monitor.clock(), monitor.alerts
    waiting = [record for record in desk.list_open() if not is_quiet(record, monitor, now)]
    counts = {severity.value: sum(one.severity is severity for one in waiting) for severity in Severity}
    return {**counts, "newest": [_headline(record, monitor) for record in waiting[-MOST_NEWEST:]]}


def is_quiet(record: AlertRecord, monitor: Monitor, now: datetime) -> bool:
    """Tell whether an open alert waits for nobody: somebody knows of it, or it is silenced."""
    if record.is_acknowledged(now):
        return True
    return monitor.silences.find_for(record, monitor.alerts.host_of(record), now) is not None


def _headline(record: AlertRecord, monitor: Monitor) -> Message:
    judged = monitor.board.find(record.host_id)
    return {
        "id": record.id,
        "severity": record.severity.value,
        "host": judged.name if judged else SERVER,
        "message": record.newest.lasting,
    }


def measured(event: AlertEvent) -> str:
    """Return the measured value with its unit; a silence counts on elsewhere."""
    if event.value is None or event.rule == "offline":
        return ""
    return f"{event.value} {event.unit}".strip() if isinstance(event.value, str) else quantity(event.value, event.unit)


def _event(event: AlertEvent) -> Message:
    words = event.detail or ("" if event.kind in (EventKind.ACKNOWLEDGED, EventKind.STEADIED) else event.lasting)
    return {
        "at": unix(event.happened_at),
        "kind": event.kind.value,
        "severity": event.severity.value,
        "title": WORDS[event.kind],
        "words": words,
        "by": event.actor,
    }
