"""Builders of what pages are given."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from dashboards.newest import Newest
from proxmon.board import Board, JudgedHost, PastBoard
from proxmon.bus import Bus
from proxmon.config import RuleSettings, Settings
from proxmon.fleet import Fleet, FleetSnapshot, HostSnapshot
from proxmon.status import evaluate
from tests.builders import NOW, a_snapshot

RULES = RuleSettings()


def a_judged(snapshot: HostSnapshot | None = None, now: datetime = NOW) -> JudgedHost:
    """Return a host with our verdict on it; by default a healthy one."""
    known = snapshot if snapshot is not None else a_snapshot()
    return JudgedHost(known, evaluate(known, RULES, now))


def a_newest(snapshot: HostSnapshot | None = None, now: datetime = NOW) -> Newest:
    """Return a host at a moment."""
    return Newest(a_judged(snapshot, now), RULES, now)


def a_monitor(*hosts: HostSnapshot, now: datetime = NOW) -> Any:
    """Return the parts of a running monitor that pages use."""
    bus = Bus()
    board = Board(Fleet(hosts), RULES, bus, lambda: now)

    async def past(at: datetime) -> PastBoard:
        return PastBoard(FleetSnapshot(at=at, is_live=False, hosts=tuple(hosts)), RULES)

    return SimpleNamespace(settings=Settings(), board=board, bus=bus, clock=lambda: now, past=past, hosts=None)
