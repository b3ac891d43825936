"""Slows down guessing of passwords, for each visitor and in total, without locking the owner out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address

FREE_FAILURES = 5
FIRST_WAIT_SECONDS = 4.0
MAX_WAIT_SECONDS = 300.0
FORGET_SECONDS = 3600.0
MAX_VISITORS = 10_000
# All visitors that never logged in share this: a thousand addresses together guess 28,800 passwords a day at most.
STRANGERS_AT_ONCE = 20
STRANGER_EVERY_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Failures:
    """How often a visitor failed, when last, and until when it has to wait."""

    count: int
    failed_at: float
    wait_until: float


class Throttle:
    """Counts each attempt as a failure until it succeeds, so that attempts at the same time gain nothing.

    A visitor is an address, or a browser that logged in before. Some failures are free, then each one doubles the
    wait, up to five minutes. ``clock`` gives seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, Failures] = OrderedDict()
        self._strangers = float(STRANGERS_AT_ONCE)
        self._refilled_at = clock()

    def attempt(self, visitor: str, *, is_known: bool = False) -> float:
        """Return 0 and count a failure when the visitor may try now, else the seconds to wait.

        Who logged in before is not held up by strangers.
        """
        now = self._clock()
        known = self._failures.get(visitor)
        if known is not None and known.wait_until > now:
            return known.wait_until - now
        wait = 0.0 if is_known else self._take_strangers_turn(now)
        if wait == 0.0:
            self._count(visitor, now)
        return wait

    def failed(self, visitor: str) -> None:
        """Let the visitor's wait begin now: the attempt, counted before, was a wrong one."""
        known = self._failures.get(visitor)
        if known is not None:
            self._failures[visitor] = replace(known, wait_until=self._clock() + _wait_seconds(known.count))

    def succeeded(self, visitor: str) -> None:
        """Forget the failures of the visitor, and give its turn back."""
        self._failures.pop(visitor, None)
        self._strangers = min(STRANGERS_AT_ONCE, self._strangers + 1)

    def _take_strangers_turn(self, now: float) -> float:
        gained = (now - self._refilled_at) / STRANGER_EVERY_SECONDS
        self._strangers, self._refilled_at = min(STRANGERS_AT_ONCE, self._strangers + gained), now
        if self._strangers < 1:
            return (1 - self._strangers) * STRANGER_EVERY_SECONDS
        self._strangers -= 1
        return 0.0

    def _count(self, visitor: str, now: float) -> None:
        known = self._failures.pop(visitor, None)
        count = known.count + 1 if known and now - known.failed_at < FORGET_SECONDS else 1
        self._failures[visitor] = Failures(count, now, now + _wait_seconds(count))
        while len(self._failures) > MAX_VISITORS:
            self._failures.popitem(last=False)


def _wait_seconds(count: int) -> float:
    beyond = count - FREE_FAILURES
    return 0.0 if beyond < 0 else min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(beyond, 16))


def visitor_at(address: str) -> str:
    """Return whom an address stands for: of IPv6 the /64, since one visitor has all of it."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"
