"""A small live world for tests of alerts: a board with its desk, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from proxmon.alerts.desk import AlertDesk
from proxmon.alerts.model import AlertEvent
from proxmon.board import Board
from proxmon.bus import Bus, Changes
from proxmon.config import RuleSettings
from proxmon.errors import StoreUnavailableError
from proxmon.events import Event
from proxmon.fleet import Fleet, HostSnapshot
from proxmon.recorder import Recorder
from tests.builders import NOW, a_fast_payload, a_host, a_pool, a_sample

BROKEN = a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED")]})
STEP = timedelta(seconds=10)


class Memory:
    """Keeps events as the store does; it can be out of order."""

    def __init__(self) -> None:
        self.events: list[AlertEvent] = []
        self.writes = 0
        self.is_broken = False

    def add_events(self, events: Sequence[AlertEvent]) -> None:
        if self.is_broken:
            raise StoreUnavailableError("The disk is full: make room.")
        self.writes += 1
        self.events += events

    def list_events(self, since: datetime, at: datetime | None = None) -> list[AlertEvent]:
        return [one for one in self.events if at is None or one.happened_at <= at]

    def newest_id(self) -> int:
        return max((one.alert_id for one in self.events), default=0)


class World:
    """A board with its desk, and a clock that the test moves."""

    def __init__(self, memory: Memory | None = None, hosts: Sequence[HostSnapshot] = (), now: datetime = NOW) -> None:
        self.now = now
        self.memory = memory or Memory()
        self.bus = Bus()
        self.told: list[Changes] = []
        snapshots = hosts or [HostSnapshot(a_host())]
        self.recorded: list[Event] = []
        self.recorder = Recorder(self, RuleSettings(), lambda: self.now)
        self.board = Board(Fleet(snapshots), RuleSettings(), self.bus, lambda: self.now, self.recorder)
        self.desk = AlertDesk(self.memory, self.board, lambda: self.now)

    def append_events(self, events: Sequence[Event]) -> None:
        self.recorded += events

    def send(self, payload: dict[str, Any] | None = None, times: int = 1, host_id: int = 1) -> None:
        for _ in range(times):
            self.now += STEP
            sample = a_sample(host_id, payload=payload, collected_at=self.now)
            self.board.accept(host_id, [sample], self.now)

    def wait(self, **span: float) -> None:
        end = self.now + timedelta(**span)
        while self.now < end:
            self.now = min(end, self.now + STEP)
            self.recorder.tick(self.now)
            self.board.tick()
            self.desk.tick()
