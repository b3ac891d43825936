"""What the monitor itself costs: the store's size and growth, memory, CPU, bytes written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileSize:
    """The store's file, the part of it that is free, its log and the journal, in bytes."""

    file_bytes: int
    free_bytes: int
    wal_bytes: int
    journal_bytes: int


@dataclass(frozen=True, slots=True)
class Compaction:
    """The file's size before and after it was compacted, and how long that took."""

    before_bytes: int
    after_bytes: int
    seconds: float
