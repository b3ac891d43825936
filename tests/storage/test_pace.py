"""A lone sample is committed at once; a steady stream in groups."""

from __future__ import annotations

import pytest

from storage.pace import SPACING_SECONDS, Pace


def test_the_first_sample_is_committed_at_once() -> None:
    assert Pace().wait_seconds(queued_at=100.0, now=100.0) == 0


def test_a_sample_after_a_silence_is_committed_at_once() -> None:
    pace = a_pace(gap=0.1)
    assert pace.wait_seconds(queued_at=200.0, now=200.0) == 0


def test_a_steady_stream_is_committed_a_spacing_apart() -> None:
    pace = a_pace(gap=0.010)
    assert pace.wait_seconds(queued_at=100.010, now=100.010) == pytest.approx(SPACING_SECONDS - 0.010)


def test_senders_that_answer_at_once_are_not_slowed_down() -> None:
    pace = a_pace(gap=0.001)
    assert pace.wait_seconds(queued_at=100.001, now=100.001) == 0


def test_a_queue_that_filled_during_the_commit_is_taken_at_once() -> None:
    pace = a_pace(gap=0.0)
    assert pace.wait_seconds(queued_at=99.9, now=100.0) == 0


def a_pace(gap: float) -> Pace:
    """Return a pace after fifty commits, the last at 100 s, each with its first sample that long after the last."""
    pace = Pace()
    for n in range(50, -1, -1):
        at = 100.0 - n * (gap + 0.003)
        pace.note_commit(queued_at=at - 0.003, now=at)
    return pace
