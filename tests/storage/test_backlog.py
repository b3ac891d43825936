"""The backlog counts what it holds, lets go in order, and leaves the journal only what is needed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from storage.backlog import Backlog
from storage.intake import Stored
from storage.journal import Journal, recover
from storage.rows import typed_rows
from tests.builders import NOW, a_sample


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Give where the journal's files are."""
    return [tmp_path / "1.journal", tmp_path / "2.journal"]


@pytest.fixture
def backlog(paths: list[Path]) -> Iterator[Backlog]:
    """Give an empty backlog."""
    made = Backlog(Journal(paths))
    yield made
    made.close()


def stored(*numbers: int) -> list[Stored]:
    """Return samples with these numbers."""
    samples = {number: a_sample(collected_at=NOW + timedelta(seconds=number)) for number in numbers}
    return [Stored(number, sample, typed_rows(sample)) for number, sample in samples.items()]


def test_samples_leave_in_the_order_of_their_numbers(backlog: Backlog) -> None:
    entries = stored(1, 2, 5, 6)
    backlog.add(entries)
    assert backlog.first(2) == entries[:2]
    backlog.forget(4)
    assert (len(backlog), backlog.first_id, backlog.last_id) == (2, 5, 6)
    assert backlog.keys == {entry.sample.key for entry in entries[2:]}
    backlog.forget(6)
    assert (len(backlog), backlog.first_id, backlog.last_id) == (0, 0, 0)


@pytest.mark.parametrize(("bound", "value"), [("SAMPLES", 3), ("BYTES", 3 * len(stored(1)[0].sample.raw))])
def test_it_is_full_until_enough_was_forgotten(
    backlog: Backlog, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(f"storage.backlog.MAX_PENDING_{bound}", value)
    monkeypatch.setattr(f"storage.backlog.MAX_GROUP_{bound}", value - 1)
    backlog.add(stored(1))
    assert (backlog.has_group, backlog.is_full) == (False, False)
    backlog.add(stored(2, 3))
    assert (backlog.has_group, backlog.is_full) == (True, True)
    backlog.forget(1)
    assert not backlog.is_full


def test_the_journal_keeps_what_is_left(backlog: Backlog, paths: list[Path]) -> None:
    backlog.add(stored(1))
    backlog.turn()
    backlog.forget(1)
    assert recover(paths) == []
    backlog.add(stored(2))
    assert [entry.sample_id for entry in recover(paths)] == [2]
