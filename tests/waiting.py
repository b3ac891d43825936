"""Waiting for what another thread or process does in a moment that nobody tells of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PAUSE_SECONDS = 0.02


def wait_for(find: Callable[[], T], seconds: float = 20.0) -> T:
    """Ask again and again until the answer counts as true, and return it; fails after a while."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(PAUSE_SECONDS)
    return found
