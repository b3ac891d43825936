"""Silences: alerts that are recorded and shown, and of which nobody is told for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Protocol

from proxmon.alerts.hours import Hours, read_hours
from proxmon.alerts.records import AlertRecord
from proxmon.bus import Bus, Changes
from proxmon.errors import NotFoundError, SampleError
from proxmon.samples import parse_time

MAX_TEXT = 200
LARGEST_ID = 2**63 - 1  # of a BIGINT in the store


@dataclass(frozen=True, slots=True)
class Silence:
    """What is silenced, why and for how long.

    ``alert_id`` means that one alert; otherwise the patterns (``*``, ``?``, ``[…]``) choose by host, rule and subject.
    With ``hours`` it holds only within them, again each week: a maintenance window. Without an end it holds until
    somebody ends it.
    """

    id: int
    by: str
    reason: str
    created_at: datetime
    starts_at: datetime
    ends_at: datetime | None = None
    alert_id: int | None = None
    host: str = "*"
    rule: str = "*"
    subject: str = "*"
    hours: Hours | None = None

    def is_over(self, now: datetime) -> bool:
        """Tell whether it can never hold again."""
        return self.ends_at is not None and self.ends_at <= now

    def covers(self, record: AlertRecord, host: str, now: datetime) -> bool:
        """Tell whether it silences an alert of that host now."""
        if now < self.starts_at or self.is_over(now) or (self.hours is not None and not self.hours.covers(now)):
            return False
        if self.alert_id is not None:
            return record.id == self.alert_id
        newest = record.newest
        pairs = ((host, self.host), (newest.rule, self.rule), (newest.subject, self.subject))
        return all(fnmatchcase(text, pattern) for text, pattern in pairs)


class SilenceStore(Protocol):
    """What the book asks of the store; every method may block."""

    def add_silence(self, silence: Silence) -> Silence:
        """Store a silence and return it with its id."""
        ...

    def end_silence(self, silence_id: int, at: datetime) -> None:
        """Note that a silence ends."""

    def list_silences(self, at: datetime) -> list[Silence]:
        """List the silences that are not over at a moment."""
        ...


class SilenceBook:
    """The silences that are not over. It belongs to the event loop's thread.

    ``revision`` grows whenever somebody adds or ends one.
    """

    def __init__(self, store: SilenceStore, bus: Bus, clock: Callable[[], datetime]) -> None:
        self._store, self._bus, self._clock = store, bus, clock
        self._silences = {one.id: one for one in store.list_silences(clock())}
        self.revision = 0

    def list_silences(self) -> list[Silence]:
        """List the silences that hold or will hold, the oldest first."""
        now = self._clock()
        return [one for one in self._silences.values() if not one.is_over(now)]

    def find_for(self, record: AlertRecord, host: str, now: datetime) -> Silence | None:
        """Return a silence that covers the alert now, or None."""
        return next((one for one in self._silences.values() if one.covers(record, host, now)), None)

    async def add(self, wish: Mapping[str, Any], by: str) -> Silence:
        """Add a silence as it was asked for. Raises SampleError where a field is wrong."""
        silence = await asyncio.to_thread(self._store.add_silence, read_silence(wish, by, self._clock()))
        self._silences[silence.id] = silence
        self.revision += 1
        self._bus.publish(Changes(is_alerts_changed=True))
        return silence

    async def end(self, silence_id: int) -> None:
        """End a silence now. Raises NotFoundError."""
        known, now = self._silences.get(silence_id), self._clock()
        if known is None or known.is_over(now):
            raise NotFoundError("Choose one of the silences that GET /api/silences lists: this is none.")
        await asyncio.to_thread(self._store.end_silence, silence_id, now)
        self._silences[silence_id] = replace(known, ends_at=now)
        self.revision += 1
        self._bus.publish(Changes(is_alerts_changed=True))


def read_silence(wish: Mapping[str, Any], by: str, now: datetime) -> Silence:
    """Return the silence that a form or a program asks for, without its id. Raises SampleError."""
    starts_at, ends_at = read_until(wish, "from") or now, read_until(wish, "until")
    if ends_at is not None and ends_at <= max(now, starts_at):
        raise SampleError("Choose an end that is still to come, and after the beginning.")
    alert_id = wish.get("alert")
    if alert_id is not None and not _is_id(alert_id):
        raise SampleError("Send alert as the number of an alert.")
    patterns = {name: read_text(wish, name) or "*" for name in ("host", "rule", "subject")}
    hours = read_hours(read_text(wish, "hours"))
    is_everything = alert_id is None and set(patterns.values()) == {"*"}
    if is_everything and ends_at is None and hours is None:
        raise SampleError("Choose an end or hours for a silence of everything, or say which host, rule or subject.")
    return Silence(
        id=0,
        by=by,
        reason=read_text(wish, "reason"),
        created_at=now,
        starts_at=starts_at,
        ends_at=ends_at,
        alert_id=alert_id,
        hours=hours,
        **patterns,
    )


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_ID


def read_text(wish: Mapping[str, Any], name: str) -> str:
    """Return a text of a wish, empty when it is not there. Raises SampleError."""
    value = wish.get(name) or ""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise SampleError(f"Send {name} as a text of at most {MAX_TEXT} characters.")
    return value.strip()


def read_until(wish: Mapping[str, Any], name: str = "until") -> datetime | None:
    """Return the moment of a wish, None when it is not there. Raises SampleError."""
    value = wish.get(name)
    if value is None or value == "":
        return None
    try:
        return parse_time(str(value))
    except (ValueError, OverflowError) as error:
        raise SampleError(f"Send {name} as an ISO 8601 time, such as 2026-11-20T03:12Z.") from error
