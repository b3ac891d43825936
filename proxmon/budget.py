"""Bounds how much of all messages together is in memory: what comes beyond that is refused before it is kept."""

from __future__ import annotations

import random

from proxmon.errors import OverloadedError

MAX_BYTES = 32 * 2**20  # as they came: unpacked and read, a message is several times as large for a moment
# Senders that were refused together must not come back together.
FIRST_SECONDS, LAST_SECONDS = 1, 10


class Budget:
    """Counts the bytes of messages that are received and not answered yet. It belongs to the event loop's thread."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes, self.used_bytes = max_bytes, 0

    def take(self, count: int) -> None:
        """Count bytes that are about to be kept; who gets the error kept none of them.

        Raises:
            OverloadedError: too many are in memory already.
        """
        if self.used_bytes and self.used_bytes + count > self._max_bytes:
            seconds = random.randint(FIRST_SECONDS, LAST_SECONDS)  # noqa: S311 - nobody gains by guessing it
            raise OverloadedError(f"The server takes in as much as it can: come back in {seconds} s.", seconds)
        self.used_bytes += count

    def give_back(self, count: int) -> None:
        """Count bytes that were let go of."""
        self.used_bytes -= count
