"""The rows of the result, as Markdown for people and JSON for programs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure; ``goal`` says in words what it has to hold against, ``spread`` how far the runs differ."""

    what: str
    value: float | None
    unit: str
    spread: str = ""
    goal: str = ""
    is_held: bool | None = None


def row(
    what: str, values: Sequence[float], unit: str, goal: str = "", limit: float | None = None, *, up: bool = False
) -> Row:
    """Return the median and the range of repeated measurements; the limit is the most, or with ``up`` the least."""
    middle = statistics.median(values)
    spread = f"{min(values):.3g} to {max(values):.3g}, n={len(values)}"
    is_held = None if limit is None else middle >= limit if up else middle <= limit
    return Row(what, middle, unit, spread, goal, is_held)


def note(what: str, why: str) -> Row:
    """Return a row for what could not be measured, which says why."""
    return Row(what, None, "", why)


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    head = "| what | median | unit | range | goal | held |\n|---|---:|---|---|---|---|"
    held = {None: "", True: "yes", False: "**no**"}
    lines = [
        f"| {one.what} | {_shown(one.value)} | {one.unit} | {one.spread} | {one.goal} | {held[one.is_held]} |"
        for one in rows
    ]
    return "\n".join([head, *lines])


def as_json(rows: Sequence[Row]) -> str:
    """Return the rows as JSON."""
    return json.dumps([asdict(one) for one in rows], indent=2)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
