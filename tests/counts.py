"""What a run tried and what went wrong, counted by its tests and told in a table at its end.

``make soak`` prints with it how many samples were acknowledged and how many of those were missing; a test that fails
counts as well, and what Hypothesis made is counted without being asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

COUNTED = "counted"
GENERATED = re.compile(r"(\d+) passing,? .*?(\d+) failing")
Lines = dict[str, Counter[str]]


class Count(Protocol):
    """Adds to a line of the table; a number's name has its words joined by underscores."""

    def __call__(self, subject: str, **numbers: int) -> None: ...


def table(properties: Iterable[tuple[str, Any]]) -> list[str]:
    """Return the table of what the tests noted, as Markdown; nothing when they noted nothing."""
    lines: Lines = {}
    for subject, numbers in sorted(noted(properties), key=lambda one: one[0]):
        # Not update(): a nought must be told as well.
        line = lines.setdefault(subject, Counter())
        for name, number in numbers.items():
            line[name] += number
    rows = [f"| {subject} | {in_words(line)} |" for subject, line in lines.items()]
    return ["| what was tried | counted |", "|---|---|", *rows] if rows else []


def in_words(line: Counter[str]) -> str:
    """Return numbers with their names, in the order in which they were noted first."""
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in line.items())


def noted(properties: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, dict[str, int]]]:
    """Give what tests noted."""
    return (value for name, value in properties if name == COUNTED)


def generated(statistics: str) -> tuple[str, dict[str, int]] | None:
    """Return the line for what Hypothesis says of a test that it ran."""
    runs = [(int(passed), int(failed)) for passed, failed in GENERATED.findall(statistics)]
    failures = sum(failed for _, failed in runs)
    inputs = sum(passed for passed, _ in runs) + failures
    return ("Hypothesis", {"inputs": inputs, "failures": failures}) if runs else None
