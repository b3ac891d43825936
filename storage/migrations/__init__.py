"""Numbered migrations of the store: they only go forward, each in one transaction."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from proxmon.errors import StoreUnavailableError
from storage.migrations import (
    m0001_samples,
    m0002_rollups,
    m0003_alerts,
    m0004_silences,
    m0005_events,
    m0006_kept_samples,
    m0007_scrub_durations,
)

log = logging.getLogger(__name__)

# A migration that was released is never edited: a store out there has run it as it was.
MIGRATIONS: tuple[tuple[int, str], ...] = (
    (1, m0001_samples.SQL),
    (2, m0002_rollups.SQL),
    (3, m0003_alerts.SQL),
    (4, m0004_silences.SQL),
    (5, m0005_events.SQL),
    (6, m0006_kept_samples.SQL),
    (7, m0007_scrub_durations.SQL),
)
NEWEST_VERSION = MIGRATIONS[-1][0]


def migrate(connection: DuckDBPyConnection, migrations: tuple[tuple[int, str], ...] = MIGRATIONS) -> None:
    """Bring the store forward to the newest version.

    Raises:
        StoreUnavailableError: the store was written by a newer proxmon.
    """
    version = find_version(connection)
    newest = migrations[-1][0]
    if version > newest:
        raise StoreUnavailableError(
            f"The store has version {version} and this proxmon knows {newest}: install the newer proxmon again."
        )
    for number, sql in migrations:
        if number > version:
            _apply(connection, number, sql)


def find_version(connection: DuckDBPyConnection) -> int:
    """Return the number of the last migration that was applied; 0 for a new file."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS base")
    connection.execute("CREATE TABLE IF NOT EXISTS base.schema_migrations (version INTEGER, applied_at TIMESTAMP)")
    row = connection.execute("SELECT max(version) FROM base.schema_migrations").fetchone()
    return (row[0] if row else None) or 0


def _apply(connection: DuckDBPyConnection, number: int, sql: str) -> None:
    connection.execute("BEGIN")
    try:
        connection.execute(sql)
        now = datetime.now(UTC).replace(tzinfo=None)
        connection.execute("INSERT INTO base.schema_migrations VALUES (?, ?)", [number, now])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    log.info("the store was migrated to version %d", number)
