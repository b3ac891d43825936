"""What happened to hosts: events as rows, and what they say of each host at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from proxmon.events import MAX_CHARACTERS, QUIET_SUBJECTS, Event, EventKind, EventRequest, Mark, Recorded, StepRequest
from proxmon.findings import Status
from storage.moments import from_store, to_store

_INSERT = """
INSERT INTO base.events SELECT unnest($1::INTEGER[]), unnest($2::TIMESTAMP[]), unnest($3::TIMESTAMP[]),
    unnest($4::VARCHAR[]), unnest($5::VARCHAR[]), unnest($6::VARCHAR[]), unnest($7::VARCHAR[]),
    unnest($8::VARCHAR[]), unnest($9::VARCHAR[]), unnest($10::TIMESTAMP[])
"""
# Texts had no limit once, and more of them than memory holds may be stored: they are cut before rows are sorted.
_COLUMNS = """
SELECT host, host_id, happened_at, recorded_at, kind, rule, left(subject, $most) AS subject, left(was, $most) AS was,
    left(became, $most) AS became, left(message, $most) AS message, started_at
"""
_LIST = (
    "FROM ("
    + _COLUMNS
    + """ FROM events
WHERE ($host IS NULL OR host = $host) AND (len($kinds::VARCHAR[]) = 0 OR list_contains($kinds::VARCHAR[], kind))
AND happened_at >= coalesce($since, '-infinity'::TIMESTAMP) AND happened_at < coalesce($until, 'infinity'::TIMESTAMP)
AND recorded_at <= coalesce($known_at, 'infinity'::TIMESTAMP))
"""
)
# All of the last moment, so that whoever asks on from there misses none.
_NEWEST = (
    _LIST + " QUALIFY rank() OVER (ORDER BY happened_at DESC) <= $limit ORDER BY happened_at DESC, host, rule, subject"
)
_OLDEST = _LIST + " QUALIFY rank() OVER (ORDER BY happened_at) <= $limit ORDER BY happened_at, host, rule, subject"
_STEPS = {
    True: "SELECT min(recorded_at) FROM events WHERE recorded_at > $at AND ($host IS NULL OR host = $host)",
    False: "SELECT max(recorded_at) FROM events WHERE recorded_at <= $at AND ($host IS NULL OR host = $host)",
}
_RECORDED_SINCE = (
    _COLUMNS + " FROM base.events JOIN base.hosts USING (host_id) WHERE recorded_at > $at ORDER BY recorded_at"
)
_STATUSES = """
SELECT host_id, arg_max(became, happened_at), max(happened_at), max(happened_at) FILTER (became <> 'offline'
    AND coalesce(was, 'offline') = 'offline'), min(happened_at) FILTER (became <> 'offline')
FROM base.events WHERE kind IN ('status', 'online', 'offline') AND happened_at <= $1 GROUP BY host_id
"""
_FIRST_AFTER = """
SELECT host_id, arg_min_null(was, happened_at) FROM base.events
WHERE kind IN ('status', 'online', 'offline') AND happened_at > $1 GROUP BY host_id
"""
# Of each subject the last verdict, but of those that pass or are gone only the newest of each rule; their words are
# read last, of the rows that are left.
_VERDICTS = """
WITH told AS (
    SELECT host_id, rule, left(subject, $most) AS name, arg_max_null(became, happened_at) AS verdict,
        max(happened_at) AS since, arg_max(rowid, happened_at) AS place
    FROM base.events SEMI JOIN (FROM base.hosts WHERE coalesce(deleted_at, 'infinity') > $at) USING (host_id)
    WHERE kind = 'finding' AND happened_at <= $at GROUP BY host_id, rule, name
),
newest AS (
    FROM told QUALIFY coalesce(verdict, 'ok') <> 'ok' OR row_number()
        OVER (PARTITION BY host_id, rule, coalesce(verdict, 'ok') = 'ok' ORDER BY since DESC, name) <= $quiet
)
SELECT newest.host_id, newest.rule, name, verdict, since, left(message, $most)
FROM newest JOIN base.events ON events.rowid = place
"""
_FOREVER = datetime(9999, 1, 1)


def insert_events(connection: DuckDBPyConnection, events: Sequence[Event]) -> None:
    """Insert events; one of a host that was deleted meanwhile is left out."""
    known = {row[0] for row in connection.execute("SELECT host_id FROM base.hosts").fetchall()}
    rows = [_row(event) for event in events if event.host_id in known]
    if rows:
        connection.execute(_INSERT, [list(column) for column in zip(*rows, strict=True)])


def list_events(cursor: DuckDBPyConnection, request: EventRequest) -> list[Event]:
    """List the events that are asked for, the newest first unless the oldest are."""
    parameters = {
        "host": request.host,
        "kinds": sorted(request.kinds),
        "since": request.since and to_store(request.since),
        "until": request.until and to_store(request.until),
        "known_at": request.known_at and to_store(request.known_at),
        "limit": request.limit,
        "most": MAX_CHARACTERS,
    }
    query = _OLDEST if request.is_oldest_first else _NEWEST
    return [_event(row) for row in cursor.execute(query, parameters).fetchall()]


def find_step(cursor: DuckDBPyConnection, request: StepRequest) -> datetime | None:
    """Return the next moment in a direction at which an event was recorded, or None."""
    found = cursor.execute(_STEPS[request.is_forward], {"host": request.host, "at": to_store(request.at)}).fetchone()
    return from_store(found[0]) if found and found[0] else None


def list_recorded_since(cursor: DuckDBPyConnection, at: datetime) -> list[Event]:
    """List the derived events that were recorded after a moment, in that order."""
    asked = {"at": to_store(at), "most": MAX_CHARACTERS}
    return [_event(row) for row in cursor.execute(_RECORDED_SINCE, asked).fetchall()]


def read_recorded(cursor: DuckDBPyConnection, at: datetime | None) -> dict[int, Recorded]:
    """Return what the events say of each host at a moment; a host of which they say nothing is missing."""
    moment = to_store(at) if at else _FOREVER
    verdicts: dict[int, dict[tuple[str, str], Mark]] = {}
    bounds = {"at": moment, "most": MAX_CHARACTERS, "quiet": QUIET_SUBJECTS}
    for host_id, rule, subject, became, since, message in cursor.execute(_VERDICTS, bounds).fetchall():
        mark = Mark(became, from_store(since), message or "")
        verdicts.setdefault(host_id, {})[rule or "", subject or ""] = mark
    found: dict[int, Recorded] = {}
    for host_id, became, *moments in cursor.execute(_STATUSES, [moment]).fetchall():
        since, online, judged = (moment and from_store(moment) for moment in moments)
        found[host_id] = Recorded(Status(became), since, online, judged, verdicts.get(host_id, {}))
    for host_id, was in cursor.execute(_FIRST_AFTER, [moment]).fetchall() if at else ():
        # Before its first event a host was what that event says it was until then.
        found.setdefault(host_id, Recorded(Status(was) if was else None))
    return found


def _row(event: Event) -> tuple[Any, ...]:
    moments = (to_store(event.happened_at), to_store(event.known_at))
    words = (event.kind.value, event.rule, event.subject, event.was, event.became, event.message)
    return (event.host_id, *moments, *map(_text, words), event.started_at and to_store(event.started_at))


def _text(text: str | None) -> str | None:
    """Return a text as the store takes it: half a surrogate pair must not fail the samples beside it."""
    return text.encode(errors="replace").decode() if text else None


def _event(row: tuple[Any, ...]) -> Event:
    host, host_id, happened, recorded, kind, rule, subject, was, became, message, started = row
    return Event(
        host_id=host_id,
        happened_at=from_store(happened),
        kind=EventKind(kind),
        rule=rule or "",
        subject=subject or "",
        was=was,
        became=became,
        message=message or "",
        started_at=started and from_store(started),
        recorded_at=from_store(recorded),
        host=host,
    )
