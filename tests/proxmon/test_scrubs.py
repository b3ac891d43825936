"""The end of a scrub is read in the forms that hosts send."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from proxmon.scrubs import parse_scrub_end


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-08T03:24:00Z",
        "2026-11-08T04:24:00+01:00",
        "Sun Nov  8 03:24:00 2026",
        "Sun Nov 8 03:24:00 2026",
        "Sun Nov  8 03:24:00 UTC 2026",
        "Sun Nov  8  4:24:00 CET 2026",
        "Sat Nov  7 20:24:00 PDT 2026",
        "Sun Nov  8 06:24:00 +03 2026",
        "Sun Nov  8 08:54:00 +0530 2026",
    ],
)
def test_iso_and_ctime_are_read(text: str) -> None:
    assert parse_scrub_end(text) == datetime(2026, 11, 8, 3, 24, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "never", "Sun Nov 31 03:24:00 2026", "99999-01-01"])
def test_anything_else_is_none(text: str) -> None:
    assert parse_scrub_end(text) is None
