"""Asks a slow question in the background, never twice at once, so that asking costs a bounded wait."""

from __future__ import annotations

import threading
import time
from typing import Callable, Generic, TypeVar

T = TypeVar("T")


class StillWaitingError(Exception):
    """The question was not answered within the wait; it goes on in the background."""


class _Asking(Generic[T]):
    """One asking: a thread and, once it is done, an answer or the error that it ended with."""

    def __init__(self, name: str, question: Callable[[], T]) -> None:
        self.started_at = time.monotonic()
        self.ended_at: float | None = None
        self.done = threading.Event()
        self.was_taken = False
        self._question = question
        self._answer: T | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._ask, name=name, daemon=True).start()

    def _ask(self) -> None:
        try:
            self._answer = self._question()
        except BaseException as error:
            self._error = error
        self.ended_at = time.monotonic()
        self.done.set()

    def take(self) -> T:
        self.was_taken = True
        if self._error is not None:
            raise self._error
        return self._answer  # type: ignore[return-value]  # pyright: ignore[reportReturnType] - done without error


class Flight(Generic[T]):
    """One question that is asked again and again, with at most one asking under way."""

    def __init__(self, name: str, question: Callable[[], T]) -> None:
        self._name = name
        self._question = question
        self._asking: _Asking[T] | None = None
        self.seconds_taken = 0.0

    def start(self) -> None:
        """Ask, unless an earlier asking is under way or its late answer still waits to be taken.

        A question that always takes longer than the wait is thus answered one round late instead of never.
        """
        if self._asking is None or self._asking.was_taken:
            self._asking = _Asking(self._name, self._question)

    def answer(self, wait_seconds: float) -> T:
        """Return the answer to what was started last, waiting for it at most so long.

        Raises:
            StillWaitingError: there is none yet; the text says for how long it has been asked.
            Exception: whatever the question itself raised.

        """
        asking = self._asking
        if asking is None:
            raise RuntimeError(f"{self._name} was answered before it was asked")
        asking.done.wait(max(0.0, wait_seconds))
        self.seconds_taken = (asking.ended_at or time.monotonic()) - asking.started_at
        if not asking.done.is_set():
            raise StillWaitingError(f"no answer for {self.seconds_taken:.0f} s, still waiting")
        return asking.take()
