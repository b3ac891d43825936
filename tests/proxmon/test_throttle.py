"""Wrong passwords make an address wait, longer each time, and nobody else."""

from __future__ import annotations

from proxmon.throttle import FREE_FAILURES, MAX_ADDRESSES, MAX_WAIT_SECONDS, Throttle


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_failures_are_free_then_the_wait_doubles_up_to_its_limit() -> None:
    clock = Seconds()
    throttle = Throttle(clock)
    waits = []
    for _ in range(FREE_FAILURES + 12):
        throttle.failed("mallory")
        waits.append(throttle.wait_seconds("mallory"))
    assert waits[: FREE_FAILURES - 1] == [0.0] * (FREE_FAILURES - 1)
    assert waits[FREE_FAILURES - 1 : FREE_FAILURES + 2] == [1, 2, 4]
    assert waits[-1] == MAX_WAIT_SECONDS


def test_waiting_ends_and_success_forgets() -> None:
    clock = Seconds()
    throttle = Throttle(clock)
    for _ in range(FREE_FAILURES):
        throttle.failed("mallory")
    clock.now = 1.5
    assert throttle.wait_seconds("mallory") == 0
    throttle.succeeded("mallory")
    throttle.failed("mallory")
    assert throttle.wait_seconds("mallory") == 0


def test_another_address_does_not_wait() -> None:
    throttle = Throttle(Seconds())
    for _ in range(FREE_FAILURES + 3):
        throttle.failed("mallory")
    assert throttle.wait_seconds("alice") == 0


def test_memory_is_bounded() -> None:
    throttle = Throttle(Seconds())
    for number in range(MAX_ADDRESSES + 50):
        throttle.failed(str(number))
    assert len(throttle._failures) == MAX_ADDRESSES
