"""Who sent a request: our own page, another site, or no browser."""

from __future__ import annotations

import pytest

from proxmon.handlers.crosssite import explain_foreign, is_own_origin, is_own_page

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


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("https://mon.example", "mon.example:443", True),
        ("http://mon.example", "mon.example:80", True),
        ("http://mon.example", "mon.example:443", False),
        ("https://mon.example:8443", "mon.example", False),
        ("http://[::1]", "[::1]:80", True),
        ("http://[broken", "[broken", False),
        ("https://front.example", "127.0.0.1:5006", True),
        ("https://other.example", "127.0.0.1:5006", False),
    ],
)
def test_a_schemes_own_port_may_be_named_or_left_out(origin: str, host: str, expected: bool) -> None:
    assert is_own_origin(origin, host, {"front.example:443"}) is expected


def test_a_refusal_says_which_setting_helps() -> None:
    assert explain_foreign("https://mon.example", "127.0.0.1:5006").endswith("set PROXMON_ORIGINS=mon.example.")
    for origin in ("null", "", "http://[broken"):
        assert "PROXMON" not in explain_foreign(origin, "127.0.0.1:5006")
