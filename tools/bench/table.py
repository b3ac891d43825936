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
    value: float
    unit: str
    spread: str = ""
    goal: str = ""
    is_held: bool | None = None


def row(what: str, values: Sequence[float], unit: str, goal: str = "", most: float | None = None) -> Row:
    """Return the median of repeated measurements with their range, held against ``most``."""
    middle = statistics.median(values)
    spread = f"{min(values):.3g} to {max(values):.3g}, n={len(values)}"
    return Row(what, middle, unit, spread, goal, None if most is None else middle <= most)


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    head = "| what | median | unit | range | goal | held |\n|---|---:|---|---|---|---|"
    held = {None: "", True: "yes", False: "**no**"}
    lines = [
        f"| {one.what} | {one.value:.3g} | {one.unit} | {one.spread} | {one.goal} | {held[one.is_held]} |"
        for one in rows
    ]
    return "\n".join([head, *lines])


def as_json(rows: Sequence[Row]) -> str:
    """Return the rows as JSON."""
    return json.dumps([asdict(one) for one in rows], indent=2)
