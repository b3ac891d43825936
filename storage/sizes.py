"""How much each table holds, for administrators."""

# ruff: noqa: S608 - the names in these statements are constants of the package

from __future__ import annotations

from dataclasses import fields

from duckdb import DuckDBPyConnection

from proxmon.config import RetentionSettings
from proxmon.costs import FileSize, TableSize
from storage.directory import DataDirectory
from storage.moments import from_store
from storage.retention import KEPT, Kept

_FILE = "SELECT block_size, total_blocks, free_blocks FROM pragma_database_size() WHERE database_name = 'fleet'"
_OTHERS = """
SELECT table_name FROM duckdb_tables()
WHERE schema_name = 'base' AND table_name NOT IN (SELECT unnest($kept::VARCHAR[]))
AND table_name NOT IN ('schema_migrations', 'typed_progress', 'rollup_progress', 'kept_since') ORDER BY table_name
"""


def read_sizes(cursor: DuckDBPyConnection, settings: RetentionSettings | None) -> list[TableSize]:
    """List the size of each table that grows, with what its rows are kept for; without settings that is no end."""
    others = cursor.execute(_OTHERS, {"kept": [kept.name for kept in KEPT]}).fetchall()
    return [
        *(_kept_size(cursor, kept, settings) for kept in KEPT),
        *(TableSize(name, _rows(cursor, name), _bytes(cursor, name)) for (name,) in others),
    ]


def read_file_size(cursor: DuckDBPyConnection, directory: DataDirectory) -> FileSize:
    """Return the size of the file, of its free blocks and of the logs beside it."""
    [(block_bytes, total, free)] = cursor.execute(_FILE).fetchall()
    return FileSize(block_bytes * total, block_bytes * free, directory.wal_bytes(), directory.journal_bytes())


def _kept_size(cursor: DuckDBPyConnection, kept: Kept, settings: RetentionSettings | None) -> TableSize:
    moment = "started_at" if kept.name.endswith(("_1m", "_1h")) else "observed_at"
    row = cursor.execute("SELECT min(" + moment + ") FROM base." + kept.name).fetchone()
    assert row is not None
    return TableSize(
        kept.name,
        _rows(cursor, kept.name),
        _bytes(cursor, kept.name),
        row[0] and from_store(row[0]),
        setting=setting_name(kept.setting),
        days=getattr(settings, kept.setting) or None if settings else None,
    )


def setting_name(field_name: str) -> str:
    """Return the name of a retention setting, such as ``PROXMON_KEEP_ROWS_DAYS``."""
    return next(one.metadata["env"] for one in fields(RetentionSettings) if one.name == field_name)


def _rows(cursor: DuckDBPyConnection, name: str) -> int:
    row = cursor.execute("SELECT count(*) FROM base." + name).fetchone()
    assert row is not None
    return row[0]


def _bytes(cursor: DuckDBPyConnection, name: str) -> int:
    # Long texts that are packed lie in further blocks.
    blocks = "SELECT unnest([block_id] || additional_block_ids) AS block FROM pragma_storage_info('base." + name + "')"
    [(count,)] = cursor.execute("SELECT count(DISTINCT block) FROM (" + blocks + ") WHERE block >= 0").fetchall()
    [(block_bytes, *_)] = cursor.execute(_FILE).fetchall()
    return count * block_bytes
