"""Numbers and spans of time as the findings' sentences say them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

# The units of findings that are counted things.
COUNTED = frozenset({"devices", "errors", "parts", "snapshots", "updates"})
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def span(seconds: float) -> str:
    """Return a span in its largest fitting unit, such as ``14 min`` or ``36 d``."""
    for size, unit in UNITS:
        if seconds >= 2 * size or (seconds >= size and unit != "d"):
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def number(value: float) -> str:
    """Return a number with at most one decimal and no needless zero."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def number_near(value: float, *limits: float) -> str:
    """Return a number with as many decimals as tell it from the limits, such as ``90.04`` beside 90."""
    for decimals in range(1, 9):
        shown = round(value, decimals)
        if all((shown > limit, shown < limit) == (value > limit, value < limit) for limit in limits):
            return f"{shown:.{decimals}f}".rstrip("0").rstrip(".")
    return repr(value)


def quantity(value: float, unit: str) -> str:
    """Return a measured value with its unit, such as ``93 %``, ``1 part`` or ``2 parts``."""
    is_one = value == 1 and unit in COUNTED
    return f"{number(value)} {unit[:-1] if is_one else unit}".strip()


def shortened(text: str, most: int = 1_000) -> str:
    """Return a text of others as it came, cut where it would fill the page."""
    return text if len(text) <= most else f"{text[:most]}…"


def plural(count: int, noun: str) -> str:
    """Return count and noun, such as ``1 pool`` or ``2 pools``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def day(moment: datetime) -> str:
    """Return the UTC date of a moment."""
    return f"{moment:%Y-%m-%d}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the names as a list that stays short."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def said_no_longer(rule: str, subject: str) -> str:
    """Say that a rule's findings no longer name a subject; those of ``collection`` name what could not be collected."""
    if not subject:
        return "It can be judged again"
    return f"{subject} is collected again" if rule == "collection" else f"{subject} is not there any more"
