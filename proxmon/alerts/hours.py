"""Hours of the week, in a zone of its own: quiet hours, maintenance windows and the hours of a channel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from proxmon.errors import SampleError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours that come again each week. One that ends before it begins goes on into the next day.

    ``days`` are those on which it begins; ``begins`` equal to ``ends`` is a whole day.
    """

    days: tuple[str, ...]
    begins: time
    ends: time
    zone: str = "UTC"

    def covers(self, now: datetime) -> bool:
        """Tell whether the moment is within the hours."""
        here = now.astimezone(ZoneInfo(self.zone))
        today, yesterday = DAYS[here.weekday()], DAYS[(here - timedelta(days=1)).weekday()]
        clock = here.time()
        if self.begins < self.ends:
            return today in self.days and self.begins <= clock < self.ends
        return (today in self.days and clock >= self.begins) or (yesterday in self.days and clock < self.ends)

    @property
    def text(self) -> str:
        """Return the hours as ``read_hours`` reads them, such as ``mon,tue 22:00-06:00 Europe/Berlin``."""
        days = "daily" if self.days == DAYS else ",".join(self.days)
        return f"{days} {self.begins:%H:%M}-{self.ends:%H:%M} {self.zone}"


def read_hours(text: str) -> Hours | None:
    """Read hours such as ``mon-fri 22:00-06:00 Europe/Berlin``; None when the text is empty. Raises SampleError."""
    words = text.split()
    if not words:
        return None
    if len(words) == 1 or len(words) > 3:
        raise SampleError("Write hours as days, times and zone, such as: mon-fri 22:00-06:00 Europe/Berlin.")
    begins, _, ends = words[1].partition("-")
    zone = words[2] if len(words) == 3 else "UTC"
    if zone not in available_timezones():
        raise SampleError(f"Name a time zone such as Europe/Berlin or UTC: {zone[:40]} is none.")
    return Hours(_read_days(words[0]), _read_time(begins), _read_time(ends), zone)


def _read_days(text: str) -> tuple[str, ...]:
    if text.lower() in ("daily", "*"):
        return DAYS
    found: set[str] = set()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise SampleError(f"Name days as {', '.join(DAYS)}, as mon-fri, or daily: {part[:20]} is none.")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found.update(DAYS[index % 7] for index in range(begin, end + (7 if end < begin else 0) + 1))
    return tuple(day for day in DAYS if day in found)


def _read_time(text: str) -> time:
    found = _CLOCK.fullmatch(text)
    if not found:
        raise SampleError(f"Write times as 22:00-06:00: {text[:10]} is none.")
    return time(int(found[1]), int(found[2]))


def hours_text(hours: Any) -> str:
    """Return hours as text; empty when there are none."""
    return hours.text if isinstance(hours, Hours) else ""
