"""The sample tables and the typed tables that follow from them, filled together.

An insert costs DuckDB about 3 ms for each table whatever its size, so they are filled with what came in some seconds.
``typed_progress`` tells up to which sample they go and is written in the same transaction: what the journal holds
beyond that is not in them, and what it holds before that is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.payload import Vdev
from proxmon.samples import Sample
from storage.arrow import pa
from storage.guest_columns import guest_columns
from storage.intake import Stored, insert_samples
from storage.knownscrubs import Scrub
from storage.ledger import Ledger
from storage.moments import to_store
from storage.reader import read_samples_after_progress
from storage.rows import Rows, list_pools, typed_rows, vdev_rows
from storage.tables import GUEST_SAMPLES, TYPED_TABLES, VDEV_SAMPLES, ZPOOL_SCRUBS, Row

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


Trees = dict[str, Tree]  # by pool


class Tables:
    """Appends samples and their typed rows; a pool's vdev tree is stored when it changed, so the last one is kept.

    Of a host those of the pools that its last sample told of: others, as one may make them up, do not add up.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._trees: dict[int, Trees] = {}  # by host

    def append(self, connection: DuckDBPyConnection, entries: Sequence[Stored], through_id: int) -> None:
        """Append samples durably, in the order of their numbers; typed rows that do not fit are left out and logged.

        With it all tables are complete up to the sample ``through_id``.
        """
        try:
            self._append(connection, entries, entries, through_id)
        except POISON as error:
            connection.execute("ROLLBACK")
            if len(entries) > 1:
                for entry in entries:
                    self.append(connection, [entry], entry.sample_id)
                return
            log.exception("sample %d has no typed rows", through_id, exc_info=error)
            self._append(connection, entries, (), through_id)

    def _append(
        self, connection: DuckDBPyConnection, entries: Sequence[Stored], typed: Sequence[Stored], through_id: int
    ) -> None:
        rows: Rows = {}
        trees: dict[int, Trees] = {}
        for entry in typed:
            for table, added in entry.rows.items():
                rows.setdefault(table, []).extend(added)
            host_id = entry.sample.host_id
            known = trees.get(host_id) or self._trees.get(host_id, {})
            trees[host_id], changed = _changed_vdevs(known, entry.sample)
            rows.setdefault(VDEV_SAMPLES.name, []).extend(changed)
        fresh = [entry for entry in entries if not entry.has_payload]
        scrubs = self._ledger.scrubs.find_new([entry.sample for entry in fresh])
        connection.execute("BEGIN")
        insert_samples(connection, fresh)
        ZPOOL_SCRUBS.append(connection, [_scrub_row(scrub) for scrub in scrubs])
        for table in TYPED_TABLES:
            table.append(connection, rows.get(table.name, ()))
        guests = guest_columns(entry.sample for entry in typed)
        if guests is not None:
            GUEST_SAMPLES.append_columns(connection, guests)
        connection.execute("UPDATE base.typed_progress SET sample_id = ?", [through_id])
        connection.execute("COMMIT")
        self._trees |= trees
        self._ledger.scrubs.add(scrubs)


def read_progress(connection: DuckDBPyConnection) -> int:
    """Return the number of the sample up to which the tables are complete."""
    row = connection.execute("SELECT sample_id FROM base.typed_progress").fetchone()
    assert row is not None
    return row[0]


def replay(connection: DuckDBPyConnection, tables: Tables) -> None:
    """Fill the typed tables from the samples that they do not have yet."""
    count = 0
    while rows := read_samples_after_progress(connection, REPLAY_ROWS):
        entries = [
            Stored(sample_id, sample, typed_rows(sample), has_payload=True) for sample_id, sample in rows if sample
        ]
        tables.append(connection, entries, rows[-1][0])
        count += len(rows)
    if count:
        log.info("the typed rows of %d samples were made from their payloads", count)


def _scrub_row(scrub: Scrub) -> Row:
    moments = map(to_store, (scrub.ended_at, scrub.observed_at, scrub.received_at))
    return (scrub.host_id, scrub.pool, scrub.duration_seconds, *moments)


def _changed_vdevs(known: Trees, sample: Sample) -> tuple[Trees, list[Row]]:
    """Return the trees after a sample, and the vdev rows of the pools whose tree is another than was last stored."""
    trees, rows = Trees(), list[Row]()
    for pool in list_pools(sample):
        last = trees.get(pool.name) or known.get(pool.name)
        if pool.vdevs is not None and not (tree := Tree(sample.observed_at, pool.vdevs)).is_told_by(last):
            last = tree
            rows += vdev_rows(sample, pool)
        if last is not None:
            trees[pool.name] = last
    return trees or known, rows
