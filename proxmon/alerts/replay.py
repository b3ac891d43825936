"""Replays stored samples through the engine: rehearsals and tests see what live alerts would have been."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from proxmon.alerts.engine import AlertEngine
from proxmon.alerts.model import AlertEvent
from proxmon.alerts.policy import Policies
from proxmon.config import RuleSettings
from proxmon.fleet import Fleet, HostSnapshot
from proxmon.rulebook.book import RuleBook, as_book
from proxmon.samples import Sample
from proxmon.status import HostStatus, evaluate


@dataclass(frozen=True, slots=True)
class Message:
    """Samples that arrived together."""

    host_id: int
    received_at: datetime
    samples: Sequence[Sample]


class Replay:
    """A fleet's past, played from messages in the order in which they arrived."""

    def __init__(
        self, hosts: Iterable[HostSnapshot], rules: RuleBook | RuleSettings, policies: Policies, started_at: datetime
    ) -> None:
        self._fleet, self._rules = Fleet(hosts), as_book(rules)
        self.engine = AlertEngine(self._judge, policies, started_at)
        self.events: list[AlertEvent] = []

    def play(self, messages: Iterable[Message]) -> None:
        """Take in messages, in batches of any size."""
        for message in messages:
            self.events += self.engine.advance(message.received_at)
            changed = self._fleet.accept(message.host_id, message.samples, message.received_at)
            if changed is not None:
                self.put(changed, message.received_at)

    def put(self, snapshot: HostSnapshot, at: datetime) -> None:
        """Take in what else happened to a host, such as a goodbye."""
        self._fleet.put(snapshot)
        self.events += self.engine.take(snapshot, self._judge(snapshot, at), at)

    def find(self, host_id: int) -> HostSnapshot | None:
        """Return what is known of a host."""
        return self._fleet.find(host_id)

    def run_until(self, at: datetime) -> None:
        """Let time pass."""
        self.events += self.engine.advance(at)

    def _judge(self, snapshot: HostSnapshot, at: datetime) -> HostStatus:
        return evaluate(snapshot, self._rules, at)
