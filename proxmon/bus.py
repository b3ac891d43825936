"""The push bus: tells listeners which hosts changed, coalesced, on the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

# At most ten updates a second reach a page: more than the eye follows, and a bound on its work.
MIN_SPACING_SECONDS = 0.1


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
    """One listener, told at once and then at most every ``spacing_seconds``."""

    listener: Listener
    spacing_seconds: float
    pending: Changes | None = None
    told_at: float = field(default=-1e9)
    timer: asyncio.TimerHandle | None = None
    is_active: bool = True

    def notify(self, changes: Changes) -> None:
        """Remember the changes and tell them as soon as the spacing allows."""
        self.pending = changes if self.pending is None else self.pending | changes
        if self.timer is None:
            loop = asyncio.get_running_loop()
            wait = self.told_at + self.spacing_seconds - loop.time()
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
        self.told_at = asyncio.get_running_loop().time()
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

    def subscribe(self, listener: Listener, spacing_seconds: float = MIN_SPACING_SECONDS) -> Callable[[], None]:
        """Tell the listener of changes from now on; call what is returned to stop it, also more than once."""
        subscription = Subscription(listener, spacing_seconds)
        self._subscriptions.add(subscription)

        def unsubscribe() -> None:
            subscription.cancel()
            self._subscriptions.discard(subscription)

        return unsubscribe

    def publish(self, changes: Changes) -> None:
        """Tell all subscriptions; each hears it within its spacing."""
        for subscription in tuple(self._subscriptions):
            subscription.notify(changes)
