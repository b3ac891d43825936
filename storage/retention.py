"""How long each table keeps its rows, and how the oldest are deleted: in bites that nobody who stores has to wait for.

DuckDB gives nothing back to the disk for it, but uses the room again after the next checkpoint.
"""

# ruff: noqa: S608 - the names in these statements are constants of this module

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from duckdb import DuckDBPyConnection

from proxmon.config import RetentionSettings
from proxmon.payload import Tier
from storage.kept import Bite, keep_samples
from storage.ledger import Span
from storage.moments import to_store
from storage.rollups import read_kept_since, transaction

BITE_ROWS = 50_000
BITE_SAMPLES = 10_000  # what is kept of them is unpacked, a thousand in some 30 ms
# The newest sample of each host stays however old it is: it is the last that is known of that host.
_OLD = " WHERE observed_at < $before"
_OLD_SAMPLES = (
    _OLD
    + """ AND sample_id <= (SELECT sample_id FROM base.rollup_progress)
    AND (host_id, observed_at) NOT IN (SELECT unnest($hosts::INTEGER[]), unnest($moments::TIMESTAMP[]))"""
)
_OLD_ROLLUPS = " WHERE started_at < $before"


@dataclass(frozen=True, slots=True)
class Kept:
    """A table whose rows are dropped after a span that is a setting; those of a tier's samples but for the newest."""

    name: str
    setting: str
    old: str = _OLD
    tier: Tier | None = None

    @property
    def has_payload(self) -> bool:
        """Tell whether its rows are samples as they came."""
        return self.setting.endswith("payload_days")

    @property
    def bite_rows(self) -> int:
        """Return how many rows are deleted in one transaction."""
        return BITE_SAMPLES if self.tier else BITE_ROWS

    @property
    def find(self) -> str:
        """Return the query for the first old rows as they lie in the file."""
        rows = "SELECT rowid AS position FROM base." + self.name + self.old + " LIMIT $rows"
        return "SELECT max(position), count(*) FROM (" + rows + ")"

    @property
    def delete(self) -> str:
        """Return the statement that deletes the rows that were found."""
        return "DELETE FROM base." + self.name + self.old + " AND rowid <= $position"


KEPT: tuple[Kept, ...] = (
    Kept("fast_samples", "fast_payload_days", _OLD_SAMPLES, Tier.FAST),
    Kept("medium_samples", "payload_days", _OLD_SAMPLES, Tier.MEDIUM),
    Kept("slow_samples", "payload_days", _OLD_SAMPLES, Tier.SLOW),
    Kept("kept_samples", "hourly_payload_days"),
    Kept("host_samples", "row_days"),
    Kept("zpool_samples", "row_days"),
    Kept("vdev_samples", "row_days"),
    Kept("storage_samples", "row_days"),
    Kept("guest_samples", "guest_row_days"),
    Kept("dataset_samples", "row_days"),
    Kept("guest_addresses", "row_days"),
    Kept("system_samples", "row_days"),
    Kept("section_errors", "row_days"),
    Kept("host_1m", "minute_days", _OLD_ROLLUPS),
    Kept("zpool_1m", "minute_days", _OLD_ROLLUPS),
    Kept("storage_1m", "minute_days", _OLD_ROLLUPS),
    Kept("guest_1m", "minute_days", _OLD_ROLLUPS),
    Kept("host_1h", "hour_days", _OLD_ROLLUPS),
    Kept("zpool_1h", "hour_days", _OLD_ROLLUPS),
    Kept("storage_1h", "hour_days", _OLD_ROLLUPS),
    Kept("guest_1h", "hour_days", _OLD_ROLLUPS),
)
Spans = Mapping[tuple[int, Tier], Span]


def retire(connection: DuckDBPyConnection, settings: RetentionSettings, spans: Spans, now: datetime) -> Iterator[None]:
    """Delete what is older than its table keeps; each step is a short transaction of its own."""
    for kept in KEPT:
        days: float = getattr(settings, kept.setting)
        if days:
            # Whole hours, so that no minute and no hour is ever left with some of its rows.
            before = to_store(now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
            yield from _retire(connection, kept, before, spans)


def _retire(connection: DuckDBPyConnection, kept: Kept, before: datetime, spans: Spans) -> Iterator[None]:
    chosen: dict[str, object] = {"before": before}
    if kept.tier:
        newest = {key[0]: to_store(span.last_observed_at) for key, span in spans.items() if key[1] is kept.tier}
        silent = {host_id: at for host_id, at in newest.items() if at < before}
        chosen |= {"hosts": list(silent), "moments": list(silent.values())}
    is_done = False
    while not is_done:
        with transaction(connection):
            _note(connection, kept.name, before)
            is_done = _bite(connection, kept, chosen) < kept.bite_rows
        yield


def _bite(connection: DuckDBPyConnection, kept: Kept, chosen: dict[str, object]) -> int:
    row = connection.execute(kept.find, {**chosen, "rows": kept.bite_rows}).fetchone()
    assert row is not None
    if row[1]:
        if kept.tier:
            keep_samples(connection, Bite(kept.tier, kept.old, chosen, row[0]))
        connection.execute(kept.delete, {**chosen, "position": row[0]})
    return row[1]


def _note(connection: DuckDBPyConnection, name: str, before: datetime) -> None:
    """Write down from when on the table has everything; a longer span does not bring back what is gone."""
    if read_kept_since(connection).get(name, datetime.min) < before:
        connection.execute("DELETE FROM base.kept_since WHERE table_name = ?", [name])
        connection.execute("INSERT INTO base.kept_since VALUES (?, ?)", [name, before])
