"""Read the numbers and dates that ZFS prints, exact or abbreviated."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# 20 digits hold 2**64, the largest count ZFS has; longer runs are no numbers.
_NUMBER = re.compile(r"([0-9]{1,20})(?:[.,]([0-9]{1,9}))?([KMGTPEZ]?)B?")
_DECIMAL = re.compile(r"([0-9]{1,20})(?:[.,]([0-9]{1,9}))?[%x]?")
_DATE = re.compile(
    r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (" + "|".join(_MONTHS) + r") {1,2}([0-9]{1,2})"
    r" {1,2}([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?( [A-Z]{2,5}| [+-][0-9]{2,4})? ([0-9]{4})\b"
)
# Hours before or after UTC. Words that more than one country uses (CST, IST, BST, AMT, …) are left out: a wrong
# date is worse than one that is shown as it was printed.
_ZONES = {
    "UTC": 0.0,
    "GMT": 0.0,
    "WET": 0.0,
    "WEST": 1.0,
    "CET": 1.0,
    "CEST": 2.0,
    "EET": 2.0,
    "EEST": 3.0,
    "MSK": 3.0,
    "SAST": 2.0,
    "JST": 9.0,
    "KST": 9.0,
    "HKT": 8.0,
    "AWST": 8.0,
    "ACST": 9.5,
    "ACDT": 10.5,
    "AEST": 10.0,
    "AEDT": 11.0,
    "NZST": 12.0,
    "NZDT": 13.0,
    "EST": -5.0,
    "EDT": -4.0,
    "CDT": -5.0,
    "MST": -7.0,
    "MDT": -6.0,
    "PDT": -7.0,
    "AKST": -9.0,
    "AKDT": -8.0,
    "HST": -10.0,
}
# `1 days 02:03:04`; before OpenZFS 0.8 `26h3m`.
_SPAN = re.compile(r"(?:([0-9]{1,5}) days? )?(?:([0-9]{1,6}):([0-9]{2}):([0-9]{2})|([0-9]{1,6})h([0-9]{1,2})m)")
_POWERS = {letter: 1024**power for power, letter in enumerate(("", "K", "M", "G", "T", "P", "E", "Z"))}


class LocalZone(tzinfo):
    """The zone of this machine with its daylight saving time, which `datetime` has no object for."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        """Return the difference that the system's zone data tell for a local time."""
        return (dt or datetime.now()).replace(tzinfo=None).astimezone().utcoffset() or timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta | None:
        """Return None: the offset has it all."""
        return None

    def tzname(self, dt: datetime | None) -> str:
        """Return a word, since a name would be true for half of the year."""
        return "local"


def parse_number(value: Any) -> int | None:
    """Return a count or a size in bytes; 1.32K is 1352; None for `-` and whatever is no number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 0 else None
    match = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    whole, fraction, letter = match.groups()
    if fraction is None:
        return int(whole) * _POWERS[letter]
    return round(float(f"{whole}.{fraction}") * _POWERS[letter])


def parse_decimal(value: Any) -> float | None:
    """Return the number in `15`, `15%`, `1.00x` or `96,19%`, whole numbers as int; None for `-`."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value if 0 <= value < 1e18 else None
    match = _DECIMAL.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    whole, fraction = match.groups()
    return int(whole) if fraction is None else float(f"{whole}.{fraction}")


def join_dates(text: str) -> str:
    """Return the text with the blanks inside its dates made non-breaking, so that columns can be split at blanks."""
    return _DATE.sub(lambda match: match.group().replace(" ", "\xa0"), text)


def find_date(text: str, tz: tzinfo | None = None) -> str | None:
    """Return the first date in the text.

    ISO 8601 in UTC when the zone is known, because the text names it or from `tz`;
    otherwise as ctime prints it, in the zone of the host that printed it.
    """
    match = _DATE.search(text)
    moment = _moment(match, tz) if match else None
    if match is None or moment is None:
        return None
    if moment.tzinfo is not None:
        return _iso(moment)
    return match.group().replace(match.group(7) or "", "", 1) if match.group(7) else match.group()


def parse_date(value: Any, tz: tzinfo | None = None) -> str | None:
    """Return the date in an epoch number or a text, see `find_date`; None for 0 and `-`, which mean never."""
    seconds = parse_number(value)
    if seconds is not None:
        return _iso_epoch(seconds) if seconds else None
    return find_date(value, tz) if isinstance(value, str) else None


def parse_epoch(value: Any, tz: tzinfo | None = None) -> int | None:
    """Return seconds since 1970 for an epoch number or, where the zone is known, for a text."""
    seconds = parse_number(value)
    if seconds is not None:
        return seconds
    match = _DATE.search(value.replace("\xa0", " ")) if isinstance(value, str) else None
    moment = _moment(match, tz) if match else None
    if moment is None or moment.tzinfo is None:
        return None
    iso = _iso(moment)
    return None if iso is None else int(datetime.fromisoformat(iso[:-1] + "+00:00").timestamp())


def parse_span(text: str) -> int | None:
    """Return the seconds of a span such as `1 days 02:03:04` or `2h5m`; None for anything else."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    days, hours, minutes, seconds, old_hours, old_minutes = (int(each or 0) for each in match.groups())
    return ((days * 24 + hours + old_hours) * 60 + minutes + old_minutes) * 60 + seconds


def _moment(match: re.Match[str], tz: tzinfo | None) -> datetime | None:
    _, month, day, hour, minute, second, zone, year = match.groups()
    known = _named_zone((zone or "").strip()) or tz
    try:
        return datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second or 0), tzinfo=known
        )
    except ValueError:
        return None


def _named_zone(word: str) -> tzinfo | None:
    """Return the zone that a date names, by a word or as `+0100`; None when it names none that is sure."""
    if word[:1] in ("+", "-"):
        digits = word[1:].ljust(4, "0")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return timezone(-offset if word[0] == "-" else offset) if offset < timedelta(hours=24) else None
    hours = _ZONES.get(word)
    return None if hours is None else timezone(timedelta(hours=hours))


def _iso(moment: datetime) -> str | None:
    try:
        return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def _iso_epoch(seconds: int) -> str | None:
    try:
        return _iso(datetime.fromtimestamp(seconds, timezone.utc))
    except (OverflowError, ValueError, OSError):
        return None
