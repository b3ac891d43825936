"""What the store answers a chart with: columns over time, without pandas, which would cost the server 46 MB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Times = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, eq=False)
class SeriesRows:
    """One row a step and subject, in the order of time; steps without samples are missing, so gaps stay gaps.

    All arrays have the shape (rows,). ``at`` is each step's start in UTC (datetime64[us]). ``subjects`` are texts:
    empty for the host itself, a pool's or storage's name, ``qemu/100`` for a guest. ``values`` has for each metric M of
    the kind ``M_min``, ``M_mean``, ``M_max`` and ``M_last`` in the metric's unit, NaN where it is not known.
    """

    at: Times
    subjects: NDArray[np.object_]
    values: Mapping[str, Values]
    resolution_seconds: float

    def __len__(self) -> int:
        return len(self.at)

    def of(self, subject: str) -> SeriesRows:
        """Return the rows of one subject."""
        chosen = self.subjects == subject
        values = {name: column[chosen] for name, column in self.values.items()}
        return SeriesRows(self.at[chosen], self.subjects[chosen], values, self.resolution_seconds)

    def list_subjects(self) -> list[str]:
        """List the subjects by name."""
        return sorted(set(self.subjects.tolist()))


def spread(steps: Times, at: Times, values: Values) -> Values:
    """Return the values over other steps, sorted, among which those of ``at`` are; NaN where there is none."""
    found = np.full(len(steps), np.nan)
    found[np.searchsorted(steps, at)] = values
    return found


def seconds(at: Times) -> list[float]:
    """Return moments as seconds since 1970."""
    return (at.astype("datetime64[us]").astype(np.int64) / 1e6).tolist()
