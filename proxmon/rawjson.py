"""What valid JSON must not have, found without reading it: too many levels, and numbers of thousands of digits."""

from __future__ import annotations

import re
from itertools import accumulate

# How deep it can be read depends on what is on the stack: who reads a payload again must not have less left for it.
MAX_DEPTH = 500
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_TEXT_OR_BRACKET = re.compile(rb'"[^"]*"|[][{}]')
# What is longer is no float, and with 4,300 digits Python reads nothing of the answer with all hosts that it is in.
MAX_DIGITS = 308
# A number that is longer has five of every sixtieth byte in a row: most payloads have not, and are not searched.
_STRIDE, _FIVE_DIGITS = 60, re.compile(rb"\d{5}")
_TEXT_OR_DIGITS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|\d+')


def is_deep(raw: bytes) -> bool:
    """Tell whether valid JSON is nested deeper than MAX_DEPTH."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:  # of nearly all payloads
        return False
    # Most texts have no bracket: of such a one two quotes are left, which vanish.
    marks = raw.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_MARKS).replace(b'""', b"")
    steps = (_STEPS.get(found[0], 0) for found in _TEXT_OR_BRACKET.finditer(marks))
    return any(depth > MAX_DEPTH for depth in accumulate(steps))


def has_long_number(raw: bytes) -> bool:
    """Tell whether valid JSON has a number with more than MAX_DIGITS digits in a row."""
    if not _FIVE_DIGITS.search(raw[::_STRIDE]):
        return False
    found = (one[0] for one in _TEXT_OR_DIGITS.finditer(raw))
    return any(len(one) > MAX_DIGITS and not one.startswith(b'"') for one in found)
