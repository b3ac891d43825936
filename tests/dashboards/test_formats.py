"""Numbers as people read them."""

from __future__ import annotations

import pytest

from dashboards.formats import duration, percent, share, size, whole


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (2**20, "1 MiB"),
        (1.5 * 2**30, "1.5 GiB"),
        (14.2 * 2**40, "14.2 TiB"),
        (512 * 2**40, "512 TiB"),
    ],
)
def test_bytes_have_three_significant_digits(amount: float | None, words: str) -> None:
    assert size(amount) == words


@pytest.mark.parametrize(("value", "words"), [(None, "–"), (0, "0 %"), (0.4, "0.4 %"), (37.2, "37 %"), (99.6, "100 %")])
def test_a_percentage_is_whole_unless_it_is_tiny(value: float | None, words: str) -> None:
    assert percent(value) == words


def test_a_share_of_nothing_is_not_known() -> None:
    assert share(5, 0) is None
    assert share(None, 10) is None
    assert share(11, 10) == 100


def test_what_is_missing_is_a_dash() -> None:
    assert duration(None) == whole(None) == "–"


def test_large_counts_are_set_apart() -> None:
    assert whole(12934) == "12 934"
