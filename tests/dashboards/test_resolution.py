"""A page of the past says what it is shown from, where that is less than the newest samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboards.resolution import resolution_words
from proxmon.fleet import Resolution
from tests.builders import NOW, a_snapshot


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({}, ""),
        ({"resolution": Resolution.ROWS, "kept_at": NOW}, "Guests are shown as of 2026-11-22 20:00:00 UTC"),
        ({"resolution": Resolution.ROWS}, "Guests are unknown"),
        ({"resolution": Resolution.HOUR, "kept_at": NOW}, "values are those of 2026-11-22 20:00:00 UTC"),
        ({"resolution": Resolution.EVENTS}, "values are unknown"),
    ],
)
def test_a_host_tells_its_own_moment(shown: dict[str, Any], words: str) -> None:
    told = resolution_words([replace(a_snapshot(), **shown)])
    assert words in told
    assert bool(told) is bool(shown)


def test_the_coarsest_host_speaks_for_many() -> None:
    hour = replace(a_snapshot(), resolution=Resolution.HOUR, kept_at=NOW)
    rows = replace(a_snapshot(), resolution=Resolution.ROWS, kept_at=NOW)
    assert "one sample an hour" in resolution_words([a_snapshot(), rows, hour])
    assert resolution_words([a_snapshot(), a_snapshot()]) == ""
