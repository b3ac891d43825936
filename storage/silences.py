"""Silences as they are stored; one that was ended stays, with its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from duckdb import DuckDBPyConnection

from proxmon.alerts.hours import read_hours
from proxmon.alerts.silences import Silence
from storage.database import Database
from storage.moments import from_store, to_store
from storage.writer import Writer

_INSERT = """
INSERT INTO base.silences VALUES (nextval('base.silence_ids'), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING silence_id
"""
_SELECT = "FROM base.silences WHERE ends_at IS NULL OR ends_at > ? ORDER BY silence_id"


class SilenceTable:
    """The stored silences; its methods may be called from any thread and block until they are done."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database, self._writer = database, writer

    def add_silence(self, silence: Silence) -> Silence:
        """Store a silence and return it with its id."""
        row = [
            silence.by,
            silence.reason,
            to_store(silence.created_at),
            to_store(silence.starts_at),
            silence.ends_at and to_store(silence.ends_at),
            silence.alert_id,
            silence.host,
            silence.rule,
            silence.subject,
            silence.hours.text if silence.hours else "",
        ]

        def write(connection: DuckDBPyConnection) -> int:
            found = connection.execute(_INSERT, row).fetchone()
            assert found is not None
            return found[0]

        return replace(silence, id=self._writer.run(write))

    def end_silence(self, silence_id: int, at: datetime) -> None:
        """Note that a silence ends."""
        update = "UPDATE base.silences SET ends_at = ? WHERE silence_id = ?"
        self._writer.run(lambda connection: connection.execute(update, [to_store(at), silence_id]) and None)

    def list_silences(self, at: datetime) -> list[Silence]:
        """List the silences that are not over at a moment."""
        with self._database.reader() as cursor:
            rows = cursor.execute(_SELECT, [to_store(at)]).fetchall()
        return [
            Silence(
                id=row[0],
                by=row[1],
                reason=row[2],
                created_at=from_store(row[3]),
                starts_at=from_store(row[4]),
                ends_at=row[5] and from_store(row[5]),
                alert_id=row[6],
                host=row[7],
                rule=row[8],
                subject=row[9],
                hours=read_hours(row[10]),
            )
            for row in rows
        ]
