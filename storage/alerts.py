"""The moments in the lives of alerts, as they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from proxmon.alerts.model import AlertEvent, EventKind, Severity
from proxmon.events import MAX_CHARACTERS
from storage.database import Database
from storage.moments import from_store, to_store
from storage.writer import Writer

_INSERT = """
INSERT INTO base.alert_events VALUES (
    nextval('base.alert_event_ids'), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
)
"""
# The alerts that were open at any time since then, each with all of its events up to a moment. Texts that were stored
# before they had a limit are cut.
_SELECT = """
WITH told AS (
    SELECT * REPLACE (left(subject, $most) AS subject, left(message, $most) AS message,
        left(value_text, $most) AS value_text, left(detail, $most) AS detail)
    FROM base.alert_events WHERE happened_at <= coalesce($at, 'infinity'::TIMESTAMP)
),
wanted AS (
    SELECT alert_id FROM told GROUP BY alert_id
    HAVING NOT bool_or(kind = 'closed') OR max(happened_at) >= $since
)
SELECT alert_id, host_id, happened_at, kind, severity, cause, rule, subject, message, value, value_text, unit,
    threshold, clears_when, began_at, actor, detail, until
FROM told SEMI JOIN wanted USING (alert_id) ORDER BY event_id
"""


class AlertTable:
    """The stored events of alerts; its methods may be called from any thread and block until they are done."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database, self._writer = database, writer

    def add_events(self, events: Sequence[AlertEvent]) -> None:
        """Store events together, in their order; they are durable afterwards."""
        rows = [_row(event) for event in events]
        self._writer.run(lambda connection: connection.executemany(_INSERT, rows) and None)

    def list_events(self, since: datetime, at: datetime | None = None) -> list[AlertEvent]:
        """List the events of all alerts that are open at a moment or ended after ``since``, in their order."""
        with self._database.reader() as cursor:
            return list(_read(cursor, since, at))

    def newest_id(self) -> int:
        """Return the highest id that an alert ever had; 0 when there was none."""
        with self._database.reader() as cursor:
            row = cursor.execute("SELECT max(alert_id) FROM base.alert_events").fetchone()
        return (row[0] if row else None) or 0


def _row(event: AlertEvent) -> list[Any]:
    is_number = isinstance(event.value, int | float)
    return [
        event.alert_id,
        event.host_id,
        to_store(event.happened_at),
        event.kind,
        event.severity,
        event.cause,
        event.rule,
        event.subject,
        event.message,
        event.value if is_number else None,
        None if is_number else event.value,
        event.unit,
        event.threshold,
        event.clears_when,
        event.began_at and to_store(event.began_at),
        event.actor,
        event.detail,
        event.until and to_store(event.until),
    ]


def _read(cursor: DuckDBPyConnection, since: datetime, at: datetime | None) -> Iterator[AlertEvent]:
    asked = {"at": at and to_store(at), "since": to_store(since), "most": MAX_CHARACTERS}
    rows = cursor.execute(_SELECT, asked).fetchall()
    for alert_id, host_id, happened, kind, severity, cause, rule, subject, message, number, text, *rest in rows:
        unit, threshold, clears_when, began, actor, detail, until = rest
        yield AlertEvent(
            alert_id=alert_id,
            host_id=host_id,
            happened_at=from_store(happened),
            kind=EventKind(kind),
            severity=Severity(severity),
            cause=cause,
            rule=rule,
            subject=subject,
            message=message,
            value=text if number is None else number,
            unit=unit,
            threshold=threshold,
            clears_when=clears_when,
            began_at=began and from_store(began),
            actor=actor,
            detail=detail,
            until=until and from_store(until),
        )
