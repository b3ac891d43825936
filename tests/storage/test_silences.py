"""Silences as they are stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from proxmon.alerts.silences import Silence, read_silence
from storage import Store
from tests.builders import NOW

WISH = {"host": "pve-*", "rule": "offline", "hours": "sat 22:00-06:00 Europe/Berlin", "reason": "backup"}


def a_silence() -> Silence:
    return read_silence(WISH, "alice", NOW)


def test_a_silence_outlives_the_store(store: Store, directory: Path) -> None:
    added = store.silences.add_silence(a_silence())
    assert added == replace(a_silence(), id=1)
    store.close()
    again = Store.open(directory)
    assert again.silences.list_silences(NOW) == [added]
    again.close()


def test_a_silence_that_was_ended_is_over(store: Store) -> None:
    added = store.silences.add_silence(a_silence())
    store.silences.end_silence(added.id, NOW)
    assert store.silences.list_silences(NOW) == []
    assert store.silences.list_silences(NOW - timedelta(hours=1)) == [replace(added, ends_at=NOW)]
