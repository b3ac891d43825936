"""Samples wait on disk, bounded and in order, and survive a kill, a torn file and a disk that takes nothing."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from proxmon.agent.spool import Spool


def a_spool(folder: Path | None, max_samples: int = 100, max_bytes: int = 1 << 20) -> Spool:
    return Spool(str(folder) if folder else None, max_samples, max_bytes)


def texts(spool: Spool) -> list[bytes | None]:
    return [spool.read(entry) for entry in spool.entries()]


def test_samples_come_back_in_their_order(tmp_path: Path) -> None:
    spool = a_spool(tmp_path)
    for text in (b"one", b"two", b"three"):
        spool.add("fast", text)
    assert texts(spool) == [b"one", b"two", b"three"]


def test_a_killed_agent_finds_its_samples_again_and_goes_on_counting(tmp_path: Path) -> None:
    killed = a_spool(tmp_path)
    killed.add("fast", b"one")
    killed.add("slow", b"two")
    killed.close()  # what the kernel does for a killed process
    spool = a_spool(tmp_path)
    assert [entry.tier for entry in spool.entries()] == ["fast", "slow"]
    assert spool.add("fast", b"three").number == 3
    assert texts(spool) == [b"one", b"two", b"three"]


def test_a_delivered_sample_is_gone(tmp_path: Path) -> None:
    spool = a_spool(tmp_path)
    spool.remove(spool.add("fast", b"one"))
    assert len(spool) == 0
    assert list(tmp_path.glob("*.sample")) == []
    assert spool.size_bytes == 0


def test_the_oldest_are_dropped_first_and_counted(tmp_path: Path) -> None:
    spool = a_spool(tmp_path, max_samples=3)
    for number in range(5):
        spool.add("fast", b"%d" % number)
    assert texts(spool) == [b"2", b"3", b"4"]
    assert spool.dropped_count == 2
    assert len(list(tmp_path.glob("*.sample"))) == 3


def test_it_is_bounded_in_bytes_too(tmp_path: Path) -> None:
    spool = a_spool(tmp_path, max_bytes=5000)
    for _ in range(20):
        spool.add("fast", os.urandom(1000))
    assert spool.size_bytes <= 5000
    assert spool.dropped_count == 20 - len(spool)


def test_a_torn_file_is_passed_over_and_counted(tmp_path: Path) -> None:
    spool = a_spool(tmp_path)
    spool.add("fast", b"one" * 1000)
    spool.add("fast", b"two")
    torn = min(tmp_path.glob("*.sample"))
    torn.write_bytes(torn.read_bytes()[:-5])
    assert texts(spool) == [None, b"two"]
    assert (len(spool), spool.dropped_count) == (1, 1)


def test_what_a_kill_left_half_written_is_cleaned_up(tmp_path: Path) -> None:
    (tmp_path / "000000000007-fast.sample.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("somebody's")
    spool = a_spool(tmp_path)
    assert len(spool) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "notes.txt"]


def test_a_disk_that_takes_nothing_is_said_once_and_memory_steps_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = a_spool(tmp_path / "gone")
    spool.add("fast", b"on disk")
    (tmp_path / "gone").rename(tmp_path / "moved")  # as good as a full disk: no file can be made
    with caplog.at_level(logging.INFO, "proxmon-agent"):
        spool.add("fast", b"one")
        spool.add("fast", b"two")
        (tmp_path / "moved").rename(tmp_path / "gone")
        spool.add("fast", b"three")
    assert texts(spool) == [b"on disk", b"one", b"two", b"three"]
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert "cannot be written" in said[0]
    assert "can be written again" in said[1]


def test_memory_is_bounded_as_well() -> None:
    spool = a_spool(None, max_samples=10_000, max_bytes=1 << 30)
    for _ in range(50):
        spool.add("fast", os.urandom(100_000))
    assert spool.size_bytes <= 2 << 20
    assert spool.dropped_count == 50 - len(spool)


def test_a_folder_that_cannot_be_made_leaves_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = a_spool(tmp_path / "file" / "spool")
    spool.add("fast", b"one")
    assert texts(spool) == [b"one"]


def test_two_agents_never_share_a_spool(tmp_path: Path) -> None:
    first = a_spool(tmp_path)
    first.add("fast", b"first's")
    second = a_spool(tmp_path)
    assert len(second) == 0
    second.add("fast", b"second's")
    assert texts(first) == [b"first's"]
    assert texts(second) == [b"second's"]


def test_others_may_not_look_into_it(tmp_path: Path) -> None:
    a_spool(tmp_path / "spool")
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
