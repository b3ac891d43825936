"""Messages in memory are bounded together, and who is refused comes back at a moment of its own."""

from __future__ import annotations

import pytest

from proxmon.budget import FIRST_SECONDS, LAST_SECONDS, Budget
from proxmon.errors import OverloadedError, StoreUnavailableError
from proxmon.handlers.base import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, error_headers


def test_what_was_given_back_can_be_taken_again() -> None:
    budget = Budget(10)
    budget.take(6)
    with pytest.raises(OverloadedError):
        budget.take(5)
    budget.give_back(6)
    budget.take(5)
    assert budget.used_bytes == 5


def test_one_message_of_any_size_is_taken() -> None:
    Budget(10).take(1000)


def test_senders_that_are_refused_together_come_back_apart() -> None:
    budget, waits = Budget(1), set[float]()
    budget.take(1)
    for _ in range(200):
        with pytest.raises(OverloadedError) as refused:
            budget.take(1)
        waits.add(refused.value.retry_after_seconds)
    assert waits == set(range(FIRST_SECONDS, LAST_SECONDS + 1))


def test_so_do_those_that_met_a_store_in_trouble() -> None:
    waits = {error_headers(StoreUnavailableError("full"), 503)["Retry-After"] for _ in range(300)}
    assert waits == {str(seconds) for seconds in range(FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS + 1)}
