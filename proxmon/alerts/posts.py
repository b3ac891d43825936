"""When a channel may be sent to: gathering, back-off, rate limit; in memory, since a restart may try at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

GATHER = timedelta(seconds=5)
# Hosts that one switch or one power supply takes away fall silent within a minute, each by its own interval.
GATHER_OFFLINE = timedelta(minutes=1)
MOST_MESSAGES, MESSAGE_WINDOW = 10, timedelta(minutes=10)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10.0, 1800.0
# So many failed attempts in a row, some half a minute apart, are told as an alert of their own.
FAILURES = 3


@dataclass(slots=True)
class Post:
    """How deliveries to one channel went."""

    failures: int = 0
    error: str = ""
    not_before: datetime | None = None
    sent: deque[datetime] = field(default_factory=lambda: deque(maxlen=MOST_MESSAGES))
    running: asyncio.Task[None] | None = None

    @property
    def sent_at(self) -> datetime | None:
        """Return when a message was accepted last since the server's start."""
        return self.sent[-1] if self.sent else None

    def is_due(self, owed_since: Iterable[tuple[datetime, bool]], now: datetime) -> bool:
        """Tell whether to send now; given are since when each alert is owed, and whether it is of an offline host."""
        if self.running is not None or (self.not_before is not None and now < self.not_before):
            return False
        is_spent = len(self.sent) == MOST_MESSAGES and now - self.sent[0] < MESSAGE_WINDOW
        owed = list(owed_since)
        if is_spent or not owed:
            return False
        gather = GATHER_OFFLINE if any(is_offline for _, is_offline in owed) else GATHER
        return now - min(since for since, _ in owed) >= gather

    def succeed(self, now: datetime) -> None:
        """Note that a message was accepted."""
        self.forget_failures()
        self.sent.append(now)

    def forget_failures(self) -> None:
        """Let the next attempt be the first one again."""
        self.failures, self.error, self.not_before = 0, "", None

    def fail(self, error: str, now: datetime, jitter: Callable[[], float]) -> None:
        """Note that one was not, and wait twice as long as before the last attempt, by a random part more or less."""
        self.failures, self.error = self.failures + 1, error
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (min(self.failures, 20) - 1), LONGEST_PAUSE_SECONDS)
        self.not_before = now + timedelta(seconds=pause * (0.75 + jitter() / 2))
