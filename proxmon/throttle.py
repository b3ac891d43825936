"""Slows down repeated wrong passwords, per address and in total, without locking the owner out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_FAILURES = 5
MAX_WAIT_SECONDS = 300.0
FORGET_SECONDS = 3600.0
MAX_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Failures:
    """How often an address failed, when last, and until when it has to wait."""

    count: int
    failed_at: float
    wait_until: float


class Throttle:
    """Counts failures per address: some are free, then each one doubles the wait, up to five minutes.

    ``clock`` gives seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, Failures] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """Return how long the address has to wait before its next try; 0 when it may try now."""
        known = self._failures.get(address)
        return max(0.0, known.wait_until - self._clock()) if known else 0.0

    def failed(self, address: str) -> None:
        """Count a failure of the address."""
        now = self._clock()
        known = self._failures.pop(address, None)
        count = known.count + 1 if known and now - known.failed_at < FORGET_SECONDS else 1
        wait = 0.0 if count < FREE_FAILURES else min(MAX_WAIT_SECONDS, 2.0 ** min(count - FREE_FAILURES, 16))
        self._failures[address] = Failures(count, now, now + wait)
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of the address."""
        self._failures.pop(address, None)
