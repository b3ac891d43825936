"""The bounded queue between the threads that store samples and the one that writes."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from duckdb import DuckDBPyConnection

from proxmon.errors import OverloadedError, StoreUnavailableError
from proxmon.samples import Appended, Sample

# About ten seconds of a busy writer, or of a stalled one at 1,000 samples a second, in at most 16 MiB of payloads,
# which take five times as much memory.
MAX_QUEUED_SAMPLES = 10_000
MAX_QUEUED_BYTES = 16 * 2**20
SAMPLES_PER_SECOND = 1_000  # what the writer manages also on a slow disk; used to say when to come back
SPREAD_SECONDS = 10  # within which senders that were refused together are told to come back


@dataclass(frozen=True, slots=True)
class Append:
    """Samples that wait to be stored together.

    ``check`` raises when they may no longer be; ``ended`` is called in the writer's thread with what became of them.
    """

    samples: Sequence[Sample]
    check: Callable[[], None]
    ended: Callable[[Appended | Exception], None]

    def payload_bytes(self) -> int:
        """Return the size of the payloads."""
        return sum(len(sample.raw) for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Task:
    """Another write that waits for its turn: in a transaction of its own, and ``then`` what follows its commit.

    One that ``has_transactions`` begins and commits them itself.
    """

    run: Callable[[DuckDBPyConnection], Any]
    then: Callable[[Any], None]
    has_transactions: bool = False
    future: Future[Any] = field(default_factory=Future[Any])


class Inbox:
    """A queue that refuses samples above a bound; tasks are always accepted."""

    def __init__(self, max_samples: int = MAX_QUEUED_SAMPLES, max_bytes: int = MAX_QUEUED_BYTES) -> None:
        self._max_samples, self._max_bytes = max_samples, max_bytes
        self._items: deque[Append | Task] = deque()
        self._samples = self._bytes = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, item: Append | Task) -> None:
        """Add an item.

        Raises:
            OverloadedError: too many samples wait already.
            StoreUnavailableError: the store is closed.
        """
        with self._changed:
            if self._is_closed:
                raise StoreUnavailableError("The store is closed.")
            if isinstance(item, Append):
                self._count(item)
            self._items.append(item)
            self._changed.notify()

    def wait(self) -> bool:
        """Wait for an item; False when there is none and the inbox was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._is_closed)
            return bool(self._items)

    def take(self) -> list[Append | Task]:
        """Take everything that waits."""
        with self._changed:
            items = list(self._items)
            self._items.clear()
            self._samples = self._bytes = 0
            return items

    def close(self) -> None:
        """Accept nothing any more and wake the writer."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        """Tell whether nothing more will come."""
        return self._is_closed

    def _count(self, item: Append) -> None:
        samples, size = self._samples + len(item.samples), self._bytes + item.payload_bytes()
        if self._samples and (samples > self._max_samples or size > self._max_bytes):
            least = max(1, self._samples // SAMPLES_PER_SECOND)
            seconds = random.randint(least, least + SPREAD_SECONDS)  # noqa: S311 - nobody gains by guessing it
            raise OverloadedError(f"The server cannot store more samples now: come back in {seconds} s.", seconds)
        self._samples, self._bytes = samples, size
