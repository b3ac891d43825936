"""The desk: the live engine with what is known of every alert, stored before anybody is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from proxmon.alerts.engine import AlertEngine
from proxmon.alerts.model import SERVER_ID, AlertEvent, EventKind, Observation, event_of
from proxmon.alerts.policy import Policies, default_policies
from proxmon.alerts.records import AlertCounts, AlertRecord, count_alerts, fold, follow, revive
from proxmon.board import Board, JudgedHost
from proxmon.bus import Changes
from proxmon.errors import NotFoundError, ReadOnlyError, StoreUnavailableError
from proxmon.findings import Verdict
from proxmon.fleet import HostSnapshot
from proxmon.rules.connection import STANDSTILL
from proxmon.status import HostStatus, evaluate

log = logging.getLogger(__name__)

# Past alerts of this time are in memory, so that a page has them at once; older ones are asked of the store.
KEPT = timedelta(days=30)


class AlertStore(Protocol):
    """What the desk asks of the store; every method may block."""

    def add_events(self, events: Sequence[AlertEvent]) -> None:
        """Store events, durably."""

    def list_events(self, since: datetime, at: datetime | None = None) -> list[AlertEvent]:
        """List the events of alerts that are open at a moment or ended after ``since``."""
        ...

    def newest_id(self) -> int:
        """Return the highest id that an alert ever had."""
        ...


class AlertDesk:
    """All alerts, live. It belongs to the event loop's thread, and watches the board.

    The desk of a copy shows the alerts that there were, and raises none. ``revision`` grows whenever something happened
    to an alert.
    """

    def __init__(
        self, store: AlertStore, board: Board, clock: Callable[[], datetime], *, is_copy: bool = False
    ) -> None:
        now = clock()
        self._is_copy = is_copy
        self._store, self._board, self._clock = store, board, clock
        self._records = fold(store.list_events(now - KEPT))
        self._engine = AlertEngine(self._judge, default_policies(board.rules), now, store.newest_id() + 1)
        self.revision = 0
        self._unstored: list[AlertEvent] = []
        self._storing: asyncio.Task[None] | None = None
        self._ticked_at = now
        self._begin(now)
        board.watcher = self

    @property
    def policies(self) -> Policies:
        """Return how the rules alert."""
        return self._engine.policies

    @property
    def newest_id(self) -> int:
        """Return the highest id that an alert ever had; 0 when there was none."""
        return self._engine.newest_id

    @property
    def is_stored(self) -> bool:
        """Tell whether everything that is known is durable."""
        return not self._unstored

    def list_all(self) -> list[AlertRecord]:
        """List the alerts that are open or ended within the last 30 days."""
        return list(self._records.values())

    def list_open(self) -> list[AlertRecord]:
        """List the open alerts, acknowledged or not, the oldest first."""
        return [record for record in self._records.values() if record.is_open]

    def list_closed(self) -> list[AlertRecord]:
        """List the alerts that ended within the last 30 days, the newest first."""
        closed = [record for record in self._records.values() if record.closed_at is not None]
        return sorted(closed, key=lambda record: (record.closed_at, record.id), reverse=True)

    def counts(self) -> AlertCounts:
        """Return how many alerts are not over."""
        return count_alerts(self._records.values(), self._clock())

    def find(self, alert_id: int) -> AlertRecord | None:
        """Return the alert with that id, or None."""
        return self._records.get(alert_id)

    def read_at(self, at: datetime) -> list[AlertRecord]:
        """List the alerts as they were at a moment, those that had ended in the 30 days before with them; blocks."""
        return list(fold(self._store.list_events(at - KEPT, at)).values())

    def acknowledge(self, alert_id: int, by: str, reason: str = "", until: datetime | None = None) -> AlertRecord:
        """Note that somebody knows of an open alert, until it ends, worsens, or that moment comes.

        Raises:
            NotFoundError: no alert with that id is open.
        """
        record, now = self._get_open(alert_id), self._clock()
        event = event_of(revive(record), EventKind.ACKNOWLEDGED, now, reason)
        self._take([replace(event, actor=by, until=until)])
        return self._records[alert_id]

    def unacknowledge(self, alert_id: int, by: str) -> AlertRecord:
        """Take an acknowledgement back. Raises NotFoundError."""
        record = self._get_open(alert_id)
        if record.acknowledged is not None:
            self._take([replace(event_of(revive(record), EventKind.UNACKNOWLEDGED, self._clock()), actor=by)])
        return self._records[alert_id]

    def reconsider(self, why: str) -> None:
        """Follow the board's rules, also with the alerts that are open."""
        self._take(self._engine.reconsider(default_policies(self._board.rules), self._clock(), why))

    def report(self, cause: str, subject: str, message: str, clears_when: str) -> None:
        """Open an alert about the server itself; one that is open already stays as it is."""
        if self._find_own(cause, subject) is None:
            seen = Observation(cause, subject, cause, Verdict.CRITICAL, message, clears_when=clears_when)
            self._take([self._engine.open_own(seen, self._clock())])

    def settle(self, cause: str, subject: str, why: str) -> None:
        """End an alert about the server itself; nothing happens when there is none."""
        record = self._find_own(cause, subject)
        if record is not None:
            self._take([_ended(record, self._clock(), why)])

    def host_of(self, record: AlertRecord) -> str:
        """Return the name of an alert's host; empty when it is about the server, or the host was deleted."""
        judged = self._board.find(record.host_id)
        return judged.name if judged else ""

    def judged(self, judged: JudgedHost, at: datetime, *, is_unchanged: bool = False) -> None:
        """Take in a host that the board judged."""
        events = self._engine.advance(at)
        if not (is_unchanged and self._engine.keep(judged.snapshot, lambda: judged.status, at)):
            events += self._engine.take(judged.snapshot, judged.status, at)
        self._take(events)

    def removed(self, host_id: int, at: datetime) -> None:
        """End the alerts of a host that was deleted."""
        self._take(self._engine.forget(host_id, at, "The host was deleted."))

    def tick(self) -> None:
        """Let time pass, and store what could not be stored before."""
        now = self._clock()
        if now - self._ticked_at > STANDSTILL:
            self._engine.restart(now)
        self._ticked_at = now
        self._take(self._engine.advance(now))
        self._records = {
            key: one for key, one in self._records.items() if not one.closed_at or now - one.closed_at < KEPT
        }
        self._store_soon()

    def list_fresh(self) -> list[AlertRecord]:
        """List the open alerts with the values that were measured last; events keep those of their moments."""
        seen = {alert.id: alert.seen for alert in self._engine.list_alerts()}
        return [
            replace(one, newest=replace(one.newest, message=seen[one.id].message, value=seen[one.id].value))
            if one.id in seen
            else one
            for one in self.list_open()
        ]

    async def stored(self) -> None:
        """Wait until every event that is known now was stored, or could not be."""
        while self._storing is not None:
            await asyncio.shield(self._storing)

    def _find_own(self, cause: str, subject: str) -> AlertRecord | None:
        mine = (record for record in self.list_open() if record.host_id == SERVER_ID)
        return next((one for one in mine if (one.newest.cause, one.newest.subject) == (cause, subject)), None)

    def _get_open(self, alert_id: int) -> AlertRecord:
        if self._is_copy:
            raise ReadOnlyError("Acknowledge it where it was raised: this is a copy, which is only read.")
        record = self._records.get(alert_id)
        if record is None or not record.is_open:
            raise NotFoundError("Choose one of the open alerts: this one is over, or never was.")
        return record

    def _judge(self, snapshot: HostSnapshot, at: datetime) -> HostStatus:
        return evaluate(snapshot, self._board.rules, at)

    def _begin(self, now: datetime) -> None:
        """Go on with the alerts that were open when the server ended."""
        hosts = {judged.id: judged for judged in self._board.list_hosts()}
        for host_id, judged in hosts.items():
            mine = [revive(record) for record in self.list_open() if record.host_id == host_id]
            self._engine.restore(judged.snapshot, mine)
        gone = [record for record in self.list_open() if record.host_id and record.host_id not in hosts]
        self._take(_ended(record, now, "The host was deleted.") for record in gone)
        for judged in hosts.values():
            self._take(self._engine.take(judged.snapshot, judged.status, now))

    def _take(self, events: Iterable[AlertEvent]) -> None:
        new = list(events)
        if not new or self._is_copy:
            return
        for event in new:
            self._records[event.alert_id] = follow(self._records.get(event.alert_id), event)
        self.revision += 1
        self._unstored += new
        self._store_soon()
        self._board.bus.publish(Changes(is_alerts_changed=True))

    def _store_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # the server has not begun yet; its first tick stores
        if self._unstored and self._storing is None:
            self._storing = loop.create_task(self._store_all())

    async def _store_all(self) -> None:
        try:
            while self._unstored:
                batch = list(self._unstored)
                await asyncio.to_thread(self._store.add_events, batch)
                del self._unstored[: len(batch)]
        except StoreUnavailableError as error:
            log.warning("%d events of alerts wait to be stored: %s", len(self._unstored), error)
        finally:
            self._storing = None


def _ended(record: AlertRecord, at: datetime, why: str) -> AlertEvent:
    return event_of(revive(record), EventKind.CLOSED, at, why)
