"""The typed tables, which follow the samples: filled in larger groups, a moment after the acknowledgement.

An insert costs DuckDB about 3 ms for each table whatever its size, so the acknowledgement waits for the samples
alone, and nothing is lost by that: ``typed_progress`` tells up to which sample the typed tables go, it is written in
the same transaction, and what a crash left out is made from the stored samples at the next start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.payload import Vdev
from proxmon.samples import Sample
from storage.arrow import pa
from storage.intake import Stored
from storage.reader import read_samples_after_progress
from storage.rows import Rows, list_pools, typed_rows, vdev_rows
from storage.tables import TYPED_TABLES, VDEV_SAMPLES, Row

log = logging.getLogger(__name__)

# What a value that does not fit raises; everything else is the store's own trouble.
POISON: tuple[type[Exception], ...] = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    pa.ArrowInvalid,
    pa.ArrowTypeError,
    OverflowError,
)
REPLAY_ROWS = 500


@dataclass(frozen=True, slots=True)
class Tree:
    """The vdevs of a pool as they were last stored."""

    observed_at: datetime
    vdevs: tuple[Vdev, ...]

    def is_told_by(self, known: Tree | None) -> bool:
        """Tell whether the known tree says the same, was stored on this day, and before this one."""
        return (
            known is not None
            and known.vdevs == self.vdevs
            and known.observed_at <= self.observed_at
            and known.observed_at.date() == self.observed_at.date()
        )


Trees = dict[tuple[int, str], Tree]


class TypedTables:
    """Appends typed rows; remembers the last vdev tree of each pool, since that is stored only when it changed."""

    def __init__(self) -> None:
        self._trees: Trees = {}

    def append(self, connection: DuckDBPyConnection, entries: Sequence[Stored], through_id: int) -> None:
        """Append the rows of samples durably; one whose rows do not fit is left out and logged.

        With it the typed tables are complete up to the sample ``through_id``.
        """
        try:
            self._append(connection, entries, through_id)
        except POISON as error:
            connection.execute("ROLLBACK")
            if len(entries) <= 1:
                log.exception("sample %d has no typed rows", through_id, exc_info=error)
                self._append(connection, (), through_id)
                return
            for entry in entries:
                self.append(connection, [entry], entry.sample_id)

    def _append(self, connection: DuckDBPyConnection, entries: Sequence[Stored], through_id: int) -> None:
        rows: Rows = {}
        trees = dict(self._trees)
        for entry in entries:
            for table, added in entry.rows.items():
                rows.setdefault(table, []).extend(added)
            rows.setdefault(VDEV_SAMPLES.name, []).extend(_changed_vdevs(trees, entry.sample))
        connection.execute("BEGIN")
        for table in TYPED_TABLES:
            table.append(connection, rows.get(table.name, ()))
        connection.execute("UPDATE base.typed_progress SET sample_id = ?", [through_id])
        connection.execute("COMMIT")
        self._trees = trees


def replay(connection: DuckDBPyConnection, typed: TypedTables) -> None:
    """Fill the typed tables from the samples that they do not have yet."""
    count = 0
    while rows := read_samples_after_progress(connection, REPLAY_ROWS):
        entries = [Stored(sample_id, sample, typed_rows(sample)) for sample_id, sample in rows if sample]
        typed.append(connection, entries, rows[-1][0])
        count += len(rows)
    if count:
        log.info("the typed rows of %d samples were made from their payloads", count)


def _changed_vdevs(trees: Trees, sample: Sample) -> Iterator[Row]:
    """Give the vdev rows of the pools whose tree is another one than was last stored, and remember it."""
    for pool in list_pools(sample):
        key, tree = (sample.host_id, pool.name), Tree(sample.observed_at, pool.vdevs)
        if not tree.is_told_by(trees.get(key)):
            trees[key] = tree
            yield from vdev_rows(sample, pool)
