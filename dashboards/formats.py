"""Numbers, amounts and times as people read them, for the server-rendered parts of the pages."""

from __future__ import annotations

from datetime import datetime

from proxmon.rules.words import number, span

# What is not known is shown as a dash, never as zero and never as empty.
UNKNOWN = "–"
SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(amount: float | None) -> str:
    """Return bytes with three significant digits in the largest fitting binary unit, such as ``1.95 TiB``."""
    if amount is None:
        return UNKNOWN
    power = 0
    while abs(amount) >= 999.5 and power < len(SIZES) - 1:
        amount, power = amount / 1024, power + 1
    return f"{_significant(amount) if power else int(amount)} {SIZES[power]}"


def _significant(amount: float) -> str:
    decimals = 0 if amount >= 99.95 else 1 if amount >= 9.995 else 2
    text = f"{amount:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: float | None) -> str:
    """Return a share of hundred as a whole number; between 0 and 1 it keeps a decimal."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f} %" if 0 < value < 1 else f"{value:.0f} %"


def share(part: float | None, whole: float | None) -> float | None:
    """Return part of whole in percent, or None where it cannot be said."""
    return None if part is None or not whole else min(100.0, 100 * part / whole)


def duration(seconds: float | None) -> str:
    """Return a span in its largest fitting unit."""
    return UNKNOWN if seconds is None else span(seconds)


def decimal(value: float | None, digits: int = 2) -> str:
    """Return a number with a fixed count of decimals."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def offset(seconds: float | None) -> str:
    """Return how far a clock is ahead, with its sign; less than a twentieth of a second is nothing."""
    if seconds is None:
        return UNKNOWN
    rounded = round(seconds, 1)
    return f"{rounded:+.1f} s" if rounded else "0.0 s"


def whole(value: float | None) -> str:
    """Return a count with thousands apart."""
    return UNKNOWN if value is None else f"{value:,.0f}".replace(",", " ")


def plain(value: object) -> str:
    """Return a text or number as it came, and a dash for nothing."""
    if value is None or value == "":
        return UNKNOWN
    return number(value) if isinstance(value, float) else str(value)


def unix(moment: datetime | None) -> float | None:
    """Return the moment as seconds since 1970, for what counts on in the browser."""
    return None if moment is None else round(moment.timestamp(), 1)


def clock_text(moment: datetime) -> str:
    """Return a moment as ``2026-11-20 03:12 UTC``."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
