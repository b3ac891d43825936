"""Verdicts and findings: what a rule says about a host, with all that is needed to explain it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar, overload


class Status(StrEnum):
    """Our verdict on a host."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    OFFLINE = "offline"


class Verdict(StrEnum):
    """A rule's verdict: one of the statuses, or unknown where it could not judge."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


# Worst first. What is unknown is worse than ok, since it is never counted as passed, and better than a known fault.
SEVERITY = {
    Verdict.OFFLINE: 0,
    Verdict.CRITICAL: 1,
    Verdict.WARNING: 2,
    Verdict.UNKNOWN: 3,
    Verdict.OK: 4,
}


@dataclass(frozen=True, slots=True)
class Detail:
    """The verdict on one subject of a rule: a pool, a dataset, a section, a tier.

    ``value`` is what was measured, in the rule's unit; ``valid_until`` is when time alone changes the verdict.
    ``threshold`` is set where it is the subject's own.
    """

    subject: str
    verdict: Verdict
    message: str
    value: float | str | None = None
    valid_until: datetime | None = None
    threshold: str = ""


class LazyDetails(Sequence[Detail]):
    """Details that are put into words when somebody reads them: a host may have thousands, and most are never read."""

    __slots__ = ("_count", "_made", "_make")

    def __init__(self, count: int, make: Callable[[], Iterable[Detail]]) -> None:
        self._count, self._make = count, make
        self._made: tuple[Detail, ...] | None = None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Detail: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Detail, ...]: ...
    def __getitem__(self, index: int | slice) -> Detail | tuple[Detail, ...]:
        if self._made is None:
            self._made = tuple(self._make())
        return self._made[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LazyDetails) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's result for one host.

    ``message`` says the result in words, ``value`` and ``unit`` what was measured on the worst subject,
    ``threshold`` what the rule allows, ``clears_when`` what makes it pass.
    ``observed_at`` is when the judged data was collected, by the server's clock; None where there is none.
    """

    rule: str
    verdict: Verdict
    message: str
    threshold: str
    clears_when: str
    value: float | str | None = None
    unit: str = ""
    subject: str = ""
    observed_at: datetime | None = None
    valid_until: datetime | None = None
    details: Sequence[Detail] = ()

    def age_seconds(self, now: datetime) -> float | None:
        """Return how old the judged data is at ``now``."""
        return None if self.observed_at is None else max(0.0, (now - self.observed_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule that does not judge a host, and why: it is switched off there, or the agent never sent what it reads."""

    rule: str
    why: str
    is_off: bool = False


Judged = TypeVar("Judged", Detail, Finding)


def worst(judged: Iterable[Judged]) -> Judged | None:
    """Return the first of the worst, or None when there is none."""
    return min(judged, key=lambda one: SEVERITY[one.verdict], default=None)


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the earliest moment that is one, or None."""
    return min((moment for moment in moments if moment is not None), default=None)
