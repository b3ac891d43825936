"""Who sent a request: our own page, another site, or no browser."""

from __future__ import annotations

import pytest

from proxmon.handlers.crosssite import is_own_page

HOST = "mon.example:5006"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Origin": "http://mon.example:5006"}, True),
        ({"Origin": "https://MON.example:5006"}, True),
        ({"Origin": "http://mon.example"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "https://front.example"}, True),
    ],
)
def test_a_page_is_known_by_its_origin(headers: dict[str, str], expected: bool | None) -> None:
    assert is_own_page(headers, HOST, {"front.example"}) is expected
