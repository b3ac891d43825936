"""The push bus: tells listeners which hosts changed, coalesced, on the event loop."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

# Ten updates a second reach a page in the long run: more than the eye follows, and a bound on its work. The hosts of a
# small fleet now and then report in the same moment: so many updates need not wait for each other.
SPACING_SECONDS, AT_ONCE = 0.1, 5


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since the listener was last told: host ids, whether hosts came or went, and whether alerts did."""

    host_ids: frozenset[int] = frozenset()
    is_fleet_changed: bool = False
    is_tick: bool = False
    is_alerts_changed: bool = False

    def __or__(self, other: Changes) -> Changes:
        return Changes(
            self.host_ids | other.host_ids,
            self.is_fleet_changed or other.is_fleet_changed,
            self.is_tick or other.is_tick,
            self.is_alerts_changed or other.is_alerts_changed,
        )


Listener = Callable[[Changes], None]


@dataclass(slots=True, eq=False)
class Subscription:
    """One listener, told ``at_once`` times without a wait and in the long run every ``spacing_seconds`` at most."""

    listener: Listener
    spacing_seconds: float
    at_once: int
    pending: Changes | None = None
    # What was told without a wait is made up for by then.
    even_at: float = -math.inf
    timer: asyncio.TimerHandle | None = None
    is_active: bool = True

    def notify(self, changes: Changes) -> None:
        """Remember the changes and tell them as soon as the spacing allows."""
        self.pending = changes if self.pending is None else self.pending | changes
        if self.timer is None:
            loop = asyncio.get_running_loop()
            wait = self.even_at - (self.at_once - 1) * self.spacing_seconds - loop.time()
            self.timer = loop.call_later(max(0.0, wait), self._tell)

    def cancel(self) -> None:
        """Tell the listener nothing more."""
        self.is_active, self.pending = False, None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _tell(self) -> None:
        changes, self.pending, self.timer = self.pending, None, None
        if changes is None or not self.is_active:
            return
        self.even_at = max(self.even_at, asyncio.get_running_loop().time()) + self.spacing_seconds
        try:
            self.listener(changes)
        except Exception:  # one failing listener must not stop the others
            log.exception("A listener of the bus failed")


class Bus:
    """Tells every subscription about changes; it belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def __len__(self) -> int:
        return len(self._subscriptions)

    def subscribe(
        self, listener: Listener, spacing_seconds: float = SPACING_SECONDS, at_once: int = AT_ONCE
    ) -> Callable[[], None]:
        """Tell the listener of changes from now on; call what is returned to stop it, also more than once."""
        subscription = Subscription(listener, spacing_seconds, at_once)
        self._subscriptions.add(subscription)

        def unsubscribe() -> None:
            subscription.cancel()
            self._subscriptions.discard(subscription)

        return unsubscribe

    def publish(self, changes: Changes) -> None:
        """Tell all subscriptions; each hears it within its spacing."""
        for subscription in tuple(self._subscriptions):
            subscription.notify(changes)
