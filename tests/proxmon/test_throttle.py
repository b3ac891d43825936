"""Wrong passwords make a visitor wait, longer each time, and never the owner for a stranger's guesses."""

from __future__ import annotations

import pytest

from proxmon.throttle import (
    FIRST_WAIT_SECONDS,
    FREE_FAILURES,
    MAX_VISITORS,
    MAX_WAIT_SECONDS,
    STRANGER_EVERY_SECONDS,
    STRANGERS_AT_ONCE,
    Throttle,
    visitor_at,
)


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_first_failures_are_free_then_the_wait_doubles_up_to_its_limit() -> None:
    clock = Seconds()
    throttle = Throttle(clock)
    waits: list[float] = []
    for _ in range(FREE_FAILURES + 12):
        assert throttle.attempt("mallory") == 0
        waits.append(throttle.attempt("mallory") if len(waits) >= FREE_FAILURES - 1 else 0.0)
        clock.now += max(waits[-1], STRANGER_EVERY_SECONDS)
    assert waits[FREE_FAILURES - 1 : FREE_FAILURES + 2] == [4, 8, 16]
    assert waits[-1] == MAX_WAIT_SECONDS


def test_attempts_at_the_same_time_count_before_they_are_decided() -> None:
    throttle = Throttle(Seconds())
    admitted = [throttle.attempt("mallory") == 0 for _ in range(20)]
    assert admitted == [True] * FREE_FAILURES + [False] * (20 - FREE_FAILURES)


def test_the_wait_begins_when_the_attempt_was_found_wrong() -> None:
    clock = Seconds()
    throttle = Throttle(clock)
    for _ in range(FREE_FAILURES):
        throttle.attempt("mallory")
    clock.now += 60
    throttle.failed("mallory")
    assert throttle.attempt("mallory") == FIRST_WAIT_SECONDS


def test_success_forgets() -> None:
    throttle = Throttle(Seconds())
    for _ in range(FREE_FAILURES - 1):
        throttle.attempt("alice")
    throttle.succeeded("alice")
    assert [throttle.attempt("alice") for _ in range(FREE_FAILURES)] == [0] * FREE_FAILURES


def test_another_visitor_does_not_wait() -> None:
    throttle = Throttle(Seconds())
    for _ in range(FREE_FAILURES + 3):
        throttle.attempt("mallory")
    assert throttle.attempt("alice") == 0


def test_strangers_share_a_total_and_who_logged_in_before_does_not() -> None:
    clock = Seconds()
    throttle = Throttle(clock)
    waits = [throttle.attempt(f"10.0.0.{number}") for number in range(STRANGERS_AT_ONCE + 5)]
    assert waits[:STRANGERS_AT_ONCE] == [0] * STRANGERS_AT_ONCE
    assert waits[-1] == STRANGER_EVERY_SECONDS
    assert throttle.attempt("alice's browser", is_known=True) == 0
    clock.now += STRANGER_EVERY_SECONDS
    assert throttle.attempt("10.0.1.1") == 0
    assert throttle.attempt("10.0.1.2") > 0


def test_logins_that_succeed_do_not_use_up_the_total() -> None:
    throttle = Throttle(Seconds())
    for number in range(STRANGERS_AT_ONCE * 3):
        assert throttle.attempt(f"alice {number}") == 0
        throttle.succeeded(f"alice {number}")


def test_memory_is_bounded() -> None:
    throttle = Throttle(Seconds())
    for number in range(MAX_VISITORS + 50):
        throttle.attempt(str(number), is_known=True)
    assert len(throttle._failures) == MAX_VISITORS


@pytest.mark.parametrize(
    ("address", "visitor"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_a_visitor_has_a_whole_network_of_ipv6(address: str, visitor: str) -> None:
    assert visitor_at(address) == visitor
