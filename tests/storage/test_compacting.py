"""Tables are copied in groups whose payloads fit into the memory that the copying process may have."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

import storage.compacting
from storage.compacting import copy_tables, list_groups, unlogged
from storage.successor import make_empty

MIB = 2**20
INSERT = "INSERT INTO base.fast_samples (sample_id, payload) SELECT range, repeat('x', ?) FROM range(?, ?)"


def make(path: Path, lengths: list[int], checkpoint_every: int = 2048) -> Path:
    """Make a store's file of samples whose payloads have these lengths."""
    make_empty(path)
    with duckdb.connect(str(path), config={"threads": 1}) as connection:
        connection.execute("SET max_vacuum_tasks = 0")
        for number, length in enumerate(lengths):
            connection.execute(INSERT, [length, number, number + 1])
            if number % checkpoint_every == 0:
                connection.execute("CHECKPOINT")
    return path


def groups(path: Path, begin: int = 0) -> list[tuple[int, int]]:
    """List the groups in which a file's samples are copied."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return list(list_groups(connection, "base.fast_samples", begin))


def test_payloads_larger_than_the_memory_are_copied_within_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A checkpoint of all of them at once needs the 150 MiB that they have.
    monkeypatch.setitem(storage.compacting.CONFIG, "memory_limit", "128MB")
    source, target = make(tmp_path / "source", [MIB] * 150, checkpoint_every=16), make(tmp_path / "target", [])
    copy_tables(source, target, ["fast_samples"])
    assert groups(target) == groups(source)
    with duckdb.connect(str(target)) as connection:
        found = connection.sql("SELECT sample_id, strlen(payload) FROM base.fast_samples").fetchall()
    assert found == [(number, MIB) for number in range(150)]


def test_a_group_ends_before_it_has_too_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.compacting, "GROUP_BYTES", 100)
    path = make(tmp_path / "file", [10, 90, 1, 500, 50, 50, 50])
    assert groups(path) == [(0, 2), (2, 3), (3, 4), (4, 6), (6, 7)]
    assert groups(path, begin=5) == [(5, 7)]


def test_a_group_ends_at_so_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.compacting, "GROUP_ROWS", 3)
    assert groups(make(tmp_path / "file", [10] * 8)) == [(0, 3), (3, 6), (6, 8)]


def test_usual_payloads_lie_in_groups_of_thousands(tmp_path: Path) -> None:
    path = make(tmp_path / "file", [])
    with duckdb.connect(str(path)) as connection:
        connection.execute(INSERT, [6_000, 0, 30_000])
    found = groups(path)
    assert all(begin == end for (_, end), (begin, _) in pairwise(found))
    assert [end - begin > 10_000 for begin, end in found] == [True, True, False]


def test_an_empty_table_has_no_group(tmp_path: Path) -> None:
    assert groups(make(tmp_path / "file", [])) == []


def test_the_copy_is_written_without_a_log(tmp_path: Path) -> None:
    path, log = make(tmp_path / "file", []), tmp_path / "file.wal"
    with unlogged(path) as connection:
        connection.execute(INSERT, [10, 0, 1])
        assert not log.exists() or not log.stat().st_size
    assert groups(path) == [(0, 1)]
