"""What a rehearsal shows: the alerts of both rule books side by side, as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from proxmon.alerts.records import AlertRecord
from proxmon.alerts.rehearsal import Rehearsal


def compare(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return what was played, and the alerts of both sides in the order of time.

    ``change`` is ``same``, ``new`` (only by the edited rules), ``gone`` (only by the present ones) or ``other`` (of
    another severity or other times).
    """
    present, edited = list(rehearsal.present), list(rehearsal.edited)
    rows = [_row(rehearsal, one, _match(one, present)) for one in edited]
    rows += [_row(rehearsal, one, None, "gone") for one in present if _match(one, edited) is None]
    return {
        "since": rehearsal.since,
        "until": rehearsal.until,
        "first_at": rehearsal.first_at,
        "full_since": rehearsal.full_since,
        "samples": rehearsal.samples,
        "step_seconds": rehearsal.step_seconds,
        "is_cut": rehearsal.is_cut,
        "alerts": sorted(rows, key=lambda row: row["opened_at"]),
        "present": summarize(rehearsal, present),
        "edited": summarize(rehearsal, edited),
    }


def summarize(rehearsal: Rehearsal, records: Iterable[AlertRecord]) -> dict[str, Any]:
    """Return how many alerts there were, on how many hosts, and for how many seconds in all."""
    found = list(records)
    return {
        "count": len(found),
        "critical": sum(one.worst.value == "critical" for one in found),
        "hosts": len({one.host_id for one in found}),
        "seconds": sum(_seconds(rehearsal, one) for one in found),
    }


def _match(one: AlertRecord, others: Iterable[AlertRecord]) -> AlertRecord | None:
    """Return the alert on the other side that is of the same cause and of the same time, as far as both overlap."""
    for other in others:
        is_same = (one.host_id, one.newest.cause, one.newest.subject) == (
            other.host_id,
            other.newest.cause,
            other.newest.subject,
        )
        begins = max(one.opened_at, other.opened_at)
        if is_same and all(side.closed_at is None or begins <= side.closed_at for side in (one, other)):
            return other
    return None


def _row(rehearsal: Rehearsal, one: AlertRecord, other: AlertRecord | None, change: str = "") -> dict[str, Any]:
    if not change:
        is_equal = other is not None and (one.worst, one.opened_at, one.closed_at) == (
            other.worst,
            other.opened_at,
            other.closed_at,
        )
        change = "new" if other is None else "same" if is_equal else "other"
    return {
        "change": change,
        "host": rehearsal.hosts.get(one.host_id, ""),
        "rule": one.newest.rule,
        "subject": one.newest.subject,
        "severity": one.worst.value,
        "opened_at": one.opened_at,
        "closed_at": one.closed_at,
        "seconds": _seconds(rehearsal, one),
        "message": one.newest.message,
        "was": None if other is None or change == "same" else _times(rehearsal, other),
    }


def _times(rehearsal: Rehearsal, one: AlertRecord) -> dict[str, Any]:
    return {
        "severity": one.worst.value,
        "opened_at": one.opened_at,
        "closed_at": one.closed_at,
        "seconds": _seconds(rehearsal, one),
    }


def _seconds(rehearsal: Rehearsal, one: AlertRecord) -> float:
    return max(0.0, ((one.closed_at or rehearsal.until) - one.opened_at).total_seconds())
