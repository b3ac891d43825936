"""Numbers that look random and are the same each time: every one is a function of its key and the moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TypeVar

HOUR_SECONDS = 3_600.0
DAY_SECONDS = 86_400.0
QUIET_HOUR = 4.0
WEEKEND_SHARE = 0.55
FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday
Item = TypeVar("Item")


# A guest asks for the same dozen numbers at each moment of its past, and for neighbouring ones along the way.
@lru_cache(maxsize=1 << 15, typed=True)
def unit(*key: object) -> float:
    """Return a number from 0 to below 1 that belongs to the key."""
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=6).digest()) / 2**48


def between(low: float, high: float, *key: object) -> float:
    """Return a number between two others that belongs to the key."""
    return low + (high - low) * unit(*key)


def pick(items: Sequence[Item], *key: object) -> Item:
    """Return the one of the items that belongs to the key."""
    return items[int(unit(*key) * len(items))]


def wander(seconds: float, period: float, *key: object) -> float:
    """Return a number from 0 to 1 that moves smoothly and turns about once per period."""
    step, share = divmod(seconds / period, 1.0)
    before, after = unit(step, *key), unit(step + 1, *key)
    return before + (after - before) * share * share * (3 - 2 * share)


def activity(seconds: float) -> float:
    """Return how busy people are, from 0 to 1: least at night, most in the afternoon, less at weekends."""
    hour = seconds % DAY_SECONDS / HOUR_SECONDS
    daily = 0.5 - 0.5 * math.cos(2 * math.pi * (hour - QUIET_HOUR) / 24)
    is_weekend = (seconds // DAY_SECONDS + FIRST_WEEKDAY) % 7 >= 5
    return daily * (WEEKEND_SHARE if is_weekend else 1.0)
