"""Channels with their secret addresses, and what they are owed, in the file of the credentials."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from proxmon.alerts.channels import Channel
from proxmon.alerts.hours import hours_text, read_hours
from proxmon.alerts.model import Severity
from proxmon.alerts.tellings import Owed, Telling
from proxmon.errors import ConflictError
from storage.credentials import CredentialFile

_COLUMNS = "name, url, service, created_at, severity, hosts, quiet_hours, tells_ends, paused_at"
_PUT = """
INSERT OR REPLACE INTO tellings
SELECT ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM channels WHERE channel_id = ?)
"""


class ChannelTable:
    """The stored channels; its methods may be called from any thread and block until they are done."""

    def __init__(self, credentials: CredentialFile) -> None:
        self._credentials = credentials

    def add_channel(self, channel: Channel) -> Channel:
        """Store a channel and return it with its id, which none ever had. Raises ConflictError on a taken name."""
        insert = f"INSERT INTO channels ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own columns
        try:
            with self._credentials.transaction() as connection:
                channel_id = connection.execute(insert, _row(channel)).lastrowid
        except sqlite3.IntegrityError as error:
            raise ConflictError(f"Choose another name: there is a channel {channel.name} already.") from error
        return replace(channel, id=channel_id or 0)

    def change_channel(self, channel: Channel) -> None:
        """Store a channel anew."""
        update = f"UPDATE channels SET ({_COLUMNS}) = (?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE channel_id = ?"  # noqa: S608
        with self._credentials.transaction() as connection:
            connection.execute(update, [*_row(channel), channel.id])

    def delete_channel(self, channel_id: int) -> None:
        """Delete a channel and what was still to be told there."""
        with self._credentials.transaction() as connection:
            connection.execute("DELETE FROM tellings WHERE channel_id = ?", [channel_id])
            connection.execute("DELETE FROM channels WHERE channel_id = ?", [channel_id])

    def list_channels(self) -> list[Channel]:
        """List all channels by name."""
        with self._credentials.transaction() as connection:
            rows = connection.execute(f"SELECT channel_id, {_COLUMNS} FROM channels ORDER BY name").fetchall()  # noqa: S608
        return [_channel(row) for row in rows]

    def list_tellings(self) -> list[Telling]:
        """List what channels were told and are owed."""
        select = "SELECT channel_id, alert_id, told, owed, owed_since, attempts FROM tellings"
        with self._credentials.transaction() as connection:
            rows = connection.execute(select).fetchall()
        return [
            Telling(
                channel_id,
                alert_id,
                Severity(told) if told else None,
                Owed(owed),
                datetime.fromisoformat(since) if since else None,
                attempts,
            )
            for channel_id, alert_id, told, owed, since, attempts in rows
        ]

    def put_tellings(self, tellings: Sequence[Telling], reviewed_id: int) -> None:
        """Store tellings together, durably, and up to which alert all were looked at; settled ones are deleted.

        Those of a channel that was deleted meanwhile are left out.
        """
        gone = [one.key for one in tellings if one.is_settled]
        rows = [[*_telling_row(one), one.channel_id] for one in tellings if not one.is_settled]
        with self._credentials.transaction() as connection:
            connection.executemany("DELETE FROM tellings WHERE channel_id = ? AND alert_id = ?", gone)
            connection.executemany(_PUT, rows)
            connection.execute("DELETE FROM reviewed_alerts")
            connection.execute("INSERT INTO reviewed_alerts VALUES (?)", [reviewed_id])

    def reviewed_id(self) -> int | None:
        """Return up to which alert all were looked at; None before the first time."""
        with self._credentials.transaction() as connection:
            row = connection.execute("SELECT newest_id FROM reviewed_alerts").fetchone()
        return row[0] if row else None


def _row(channel: Channel) -> list[Any]:
    return [
        channel.name,
        channel.url,
        channel.service,
        channel.created_at.isoformat(),
        channel.severity.value,
        ",".join(channel.hosts),
        hours_text(channel.quiet_hours),
        channel.tells_ends,
        channel.paused_at.isoformat() if channel.paused_at else "",
    ]


def _channel(row: Sequence[Any]) -> Channel:
    channel_id, name, url, service, created_at, severity, hosts, quiet_hours, tells_ends, paused_at = row
    return Channel(
        channel_id,
        name,
        url,
        service,
        datetime.fromisoformat(created_at),
        Severity(severity),
        tuple(hosts.split(",")),
        read_hours(quiet_hours),
        bool(tells_ends),
        datetime.fromisoformat(paused_at) if paused_at else None,
    )


def _telling_row(one: Telling) -> list[Any]:
    told = one.told.value if one.told else ""
    return [*one.key, told, one.owed.value, one.owed_since.isoformat() if one.owed_since else "", one.attempts]
