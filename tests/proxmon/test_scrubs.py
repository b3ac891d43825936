"""The end of a scrub is read in the forms that hosts send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from proxmon.scrubs import ZONES_SPAN, ScrubDate, parse_scrub_date, parse_scrub_end

MOMENT = datetime(2026, 11, 8, 3, 24, tzinfo=UTC)


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
    assert parse_scrub_end(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "Sun Nov  8 03:24:00 UTC 2026",
        "Sun Nov  8 03:24:00 GMT 2026",
        "Sun Nov  8 04:24:00 CET 2026",
        "Sun Nov  8 05:24:00 CEST 2026",
        "Sat Nov  7 22:24:00 EST 2026",
        "Sun Nov  8 00:24:00 -03 2026",
        "Sun Nov  8 08:54:00 +0530 2026",
    ],
)
def test_ctime_with_a_zone_is_read_in_it(text: str) -> None:
    assert parse_scrub_date(text) == ScrubDate(MOMENT, timedelta(0))


@pytest.mark.parametrize(
    "text",
    [
        "Sun Nov 8 03:24:00 2026",
        "Sun Nov 8 03:24:00 LMT 2026",
        "Sun Nov 8 03:24:00 +99 2026",
        "2026-11-08T03:24:00",
        "2026-11-08 03:24:00",
    ],
)
def test_a_date_whose_zone_is_not_known_is_uncertain(text: str) -> None:
    assert parse_scrub_date(text) == ScrubDate(MOMENT, ZONES_SPAN)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "never",
            "Sun Nov 31 03:24:00 2026",
            "99999-01-01",
            "Sun Foo  8 03:24:00 2026",
            "Sun Nov  8 25:00:00 2026",
        ),
        *("Sun Nov  8 03:24:00 0001", "Sun Nov  8 03:24:00 9999", "x" * 100_000),
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert parse_scrub_end(text) is None
