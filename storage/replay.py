"""After a crash: the journal's samples that DuckDB does not have yet are brought into it."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.errors import StoreUnavailableError
from proxmon.payload import PAYLOAD_TYPES, Payload
from proxmon.samples import UNREADABLE, Sample, fresh_moment, read_payload
from storage.database import first_line
from storage.filled import note_filled
from storage.intake import Stored
from storage.journal import Entry, recover
from storage.ledger import Ledger
from storage.rows import typed_rows
from storage.typed import REPLAY_ROWS, Tables, read_progress, replay

log = logging.getLogger(__name__)

FULL = os.strerror(errno.ENOSPC)


def bring_up_to_date(connection: DuckDBPyConnection, paths: Sequence[Path]) -> tuple[Ledger, Tables]:
    """Give the tables what they lack of payloads and of the journal; return what is known of them after it.

    Raises:
        StoreUnavailableError: that is not possible.
    """
    try:
        ledger = Ledger.load(connection)
        tables = Tables(ledger)
        replay(connection, tables)
        if replay_journal(connection, tables, paths):
            ledger = Ledger.load(connection)
            tables = Tables(ledger)
    except (duckdb.Error, OSError) as error:
        what = first_line(error)
        hint = ". Nothing is lost: make room on its disk and start again." if FULL in what else ""
        raise StoreUnavailableError(f"The store cannot be read: {what}{hint}") from error
    return ledger, tables


def replay_journal(connection: DuckDBPyConnection, tables: Tables, paths: Sequence[Path]) -> int:
    """Bring in what is missing; return how many samples that were."""
    through_id = read_progress(connection)
    missing = [entry for entry in recover(paths) if entry.sample_id > through_id]
    for begin in range(0, len(missing), REPLAY_ROWS):
        group = [_stored(entry) for entry in missing[begin : begin + REPLAY_ROWS]]
        tables.append(connection, group, group[-1].sample_id)
    if missing:
        note_filled(paths[0].parent, missing[-1].sample_id)
        log.info("%d samples were brought in from the journal", len(missing))
    return len(missing)


def _stored(entry: Entry) -> Stored:
    sample = Sample(
        host_id=entry.host_id,
        tier=entry.tier,
        collected_at=entry.collected_at,
        received_at=entry.received_at,
        observed_at=entry.observed_at,
        fresh_at=fresh_moment(entry.collected_at, entry.received_at, entry.observed_at, entry.clock_offset_seconds),
        interval_seconds=entry.interval_seconds,
        clock_offset_seconds=entry.clock_offset_seconds,
        agent_version=entry.agent_version,
        raw=entry.raw,
        payload=_payload(entry),
    )
    return Stored(entry.sample_id, sample, typed_rows(sample))


def _payload(entry: Entry) -> Payload:
    try:
        return read_payload(entry.tier, entry.raw)
    except UNREADABLE:
        # It was read when it came, so what we read has changed since: the sample itself is kept nevertheless.
        log.exception("the payload of sample %d cannot be read any more", entry.sample_id)
        return PAYLOAD_TYPES[entry.tier]()
