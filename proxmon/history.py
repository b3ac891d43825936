"""What a rehearsal asks the store for: samples of a span of the past, thinned so that their number stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from proxmon.samples import Sample
from proxmon.scrubs import Scrubs


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """A span of the past, in at most about ``budget`` samples of each tier."""

    since: datetime
    until: datetime
    budget: int = 40_000


@dataclass(frozen=True, slots=True)
class Goodbye:
    """A host said goodbye, and perhaps why."""

    at: datetime
    host_id: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The samples of a span in the order in which they were received.

    ``step_seconds`` is the least time between two samples of a host and tier; 0 when none was left out.
    ``offline`` is when each host was last heard of before it was recorded as offline, by id, in order.
    ``full_since`` is from when on every fast sample is kept, of those before one an hour and those that events tell of.
    ``scrubs`` are those of each host that were known when the span began, by id.
    """

    samples: Iterator[Sample]
    step_seconds: float = 0.0
    offline: Mapping[int, Sequence[datetime]] = field(default_factory=dict[int, list[datetime]])
    goodbyes: Sequence[Goodbye] = ()
    full_since: datetime | None = None
    scrubs: Mapping[int, Scrubs] = field(default_factory=dict[int, Scrubs])


class HistoryStore(Protocol):
    """What a rehearsal asks of the store."""

    def history(self, request: HistoryRequest) -> AbstractContextManager[History]:
        """Open the samples of a span."""
        ...
