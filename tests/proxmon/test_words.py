"""Measured values in words."""

from __future__ import annotations

import pytest

from proxmon.rules.words import quantity


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (1, "parts", "1 part"),
        (2, "parts", "2 parts"),
        (0, "errors", "0 errors"),
        (1, "d", "1 d"),
        (1, "s", "1 s"),
        (93.25, "%", "93.2 %"),
    ],
)
def test_one_thing_is_not_called_several(value: float, unit: str, words: str) -> None:
    assert quantity(value, unit) == words
