"""The disk that fails, is replaced and resilvered, again and again."""

from __future__ import annotations

from dataclasses import dataclass

from proxmon.demo.noise import DAY_SECONDS, HOUR_SECONDS
from proxmon.demo.roles import Role, role_of, stagger_seconds

ROUND_SECONDS = 480.0
WEAK_SECONDS, REPLACED_SECONDS, HEALED_SECONDS = 60.0, 110.0, 230.0
PAST_DAYS = 9.0
VERIFY_AFTER_SECONDS = 30 * HOUR_SECONDS


@dataclass(frozen=True, slots=True)
class DiskFailure:
    """One failure, in seconds from the start of the demo; ``number`` counts them and names the disks."""

    number: int
    weak_at: float
    fails_at: float
    replaced_at: float
    healed_at: float
    verified_from: float | None = None

    def is_weak(self, seconds: float) -> bool:
        """Tell whether the disk counts errors and still works."""
        return self.weak_at <= seconds < self.fails_at

    def is_faulted(self, seconds: float) -> bool:
        """Tell whether the disk is out and no other has taken its place."""
        return self.fails_at <= seconds < self.healed_at

    def is_replacing(self, seconds: float) -> bool:
        """Tell whether the new disk is being filled."""
        return self.replaced_at <= seconds < self.healed_at


PAST_FAILURE = DiskFailure(
    number=0,
    weak_at=-PAST_DAYS * DAY_SECONDS - 2 * HOUR_SECONDS,
    fails_at=-PAST_DAYS * DAY_SECONDS,
    replaced_at=-PAST_DAYS * DAY_SECONDS + 5 * HOUR_SECONDS,
    healed_at=-PAST_DAYS * DAY_SECONDS + 12 * HOUR_SECONDS,
    verified_from=-PAST_DAYS * DAY_SECONDS + VERIFY_AFTER_SECONDS,
)


def list_failures(index: int, seconds: float) -> list[DiskFailure]:
    """List the failures of a host that have begun and still show in its pool, the newest last."""
    if role_of(index) is not Role.FAILING:
        return []
    failures = [PAST_FAILURE]
    if seconds >= 0:
        newest = int((seconds + stagger_seconds(index) + WEAK_SECONDS) // ROUND_SECONDS)
        failures += [_live_failure(index, number) for number in range(max(0, newest - 1), newest + 1)]
    return [failure for failure in failures if failure.weak_at <= seconds]


def _live_failure(index: int, number: int) -> DiskFailure:
    start = number * ROUND_SECONDS - stagger_seconds(index)
    return DiskFailure(
        number=number + 1,
        weak_at=start - WEAK_SECONDS,
        fails_at=start,
        replaced_at=start + REPLACED_SECONDS,
        healed_at=start + HEALED_SECONDS,
    )
