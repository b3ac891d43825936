"""The samples that the journal has and DuckDB does not have yet, in the order of their numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence, Set

from storage.intake import Key, Stored
from storage.journal import Journal

MAX_GROUP_SAMPLES = 1_000  # of one transaction; of 500 each costs DuckDB a fifth more
# More than a writer on a slow disk leaves behind; acknowledgements wait from here on.
MAX_PENDING_SAMPLES = 10 * MAX_GROUP_SAMPLES
# Of payloads; with their rows, samples take up to ten times as much memory.
MAX_GROUP_BYTES, MAX_PENDING_BYTES = 4 * 2**20, 12 * 2**20


class Backlog:
    """One thread adds to its end, while another, which is the one that fills DuckDB, takes from its beginning."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[Stored] = []
        self._keys: set[Key] = set()
        # Two counts, since one thread adds and another forgets.
        self._added_bytes = self._forgotten_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def keys(self) -> Set[Key]:
        """Return the names of the samples."""
        return self._keys

    @property
    def has_group(self) -> bool:
        """Tell whether there is enough for a transaction."""
        return len(self) >= MAX_GROUP_SAMPLES or self._waiting_bytes >= MAX_GROUP_BYTES

    @property
    def is_full(self) -> bool:
        """Tell whether no more should be added before some were forgotten."""
        return len(self) >= MAX_PENDING_SAMPLES or self._waiting_bytes >= MAX_PENDING_BYTES

    @property
    def first_id(self) -> int:
        """Return the number of the first sample; 0 when there is none."""
        return self._waiting[0].sample_id if self._waiting else 0

    @property
    def last_id(self) -> int:
        """Return the number of the last sample; 0 when there is none."""
        return self._waiting[-1].sample_id if self._waiting else 0

    def add(self, entries: Sequence[Stored]) -> None:
        """Make samples durable. Raises OSError."""
        self._journal.append([entry.journaled() for entry in entries])
        self._keys.update(entry.sample.key for entry in entries)
        self._waiting += entries
        self._added_bytes += _payload_bytes(entries)

    def probe(self) -> None:
        """See whether something could be made durable now. Raises OSError."""
        self._journal.probe()

    def turn(self) -> None:
        """Begin to take: what is added from now on goes into the journal's other file if that is free."""
        self._journal.turn()

    def first(self, count: int) -> Sequence[Stored]:
        """Return the first samples, up to so many."""
        return self._waiting[:count]

    def forget(self, through_id: int) -> None:
        """Let go of the samples up to this one, which DuckDB has."""
        count = bisect_right(self._waiting, through_id, key=lambda entry: entry.sample_id)
        group = self._waiting[:count]
        del self._waiting[:count]
        self._keys.difference_update(entry.sample.key for entry in group)
        self._forgotten_bytes += _payload_bytes(group)
        if group:
            self._journal.release(group[-1].sample_id)

    def close(self) -> None:
        """Close the journal, which stays on the disk when samples are left."""
        self._journal.close(is_needed=bool(self._waiting))

    @property
    def _waiting_bytes(self) -> int:
        return self._added_bytes - self._forgotten_bytes


def _payload_bytes(entries: Sequence[Stored]) -> int:
    return sum(len(entry.sample.raw) for entry in entries)
