"""What the writer knows of the store without asking it: live hosts, and the span of each host's samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from proxmon.payload import Tier
from proxmon.samples import Sample
from storage.knownscrubs import MOST_KNOWN, KnownScrubs, Scrub
from storage.moments import from_store

_SPANS = {
    Tier.FAST: "SELECT host_id, max(collected_at), min(observed_at), max(observed_at), max(received_at)"
    " FROM base.fast_samples GROUP BY host_id",
    Tier.MEDIUM: "SELECT host_id, max(collected_at), min(observed_at), max(observed_at), max(received_at)"
    " FROM base.medium_samples GROUP BY host_id",
    Tier.SLOW: "SELECT host_id, max(collected_at), min(observed_at), max(observed_at), max(received_at)"
    " FROM base.slow_samples GROUP BY host_id",
}
_SCRUBS = """
SELECT host_id, pool, duration_seconds, ended_at, observed_at, coalesce(received_at, observed_at) AS known_at
FROM base.zpool_scrubs
QUALIFY row_number() OVER (PARTITION BY host_id ORDER BY known_at DESC) <= $1 ORDER BY known_at
"""
_NEXT_ID = """
SELECT max(sample_id) + 1 FROM (
    SELECT max(sample_id) AS sample_id FROM base.fast_samples
    UNION ALL SELECT max(sample_id) FROM base.medium_samples
    UNION ALL SELECT max(sample_id) FROM base.slow_samples
    UNION ALL SELECT max(sample_id) FROM base.typed_progress
)
"""


@dataclass(frozen=True, slots=True)
class Span:
    """The samples of one host and tier: the newest name, the first and last moment, the last receipt."""

    newest_collected_at: datetime
    first_observed_at: datetime
    last_observed_at: datetime
    last_received_at: datetime

    def extended(self, sample: Sample) -> Span:
        """Return the span with one more sample."""
        return Span(
            max(self.newest_collected_at, sample.collected_at),
            min(self.first_observed_at, sample.observed_at),
            max(self.last_observed_at, sample.observed_at),
            max(self.last_received_at, sample.received_at),
        )


@dataclass(slots=True)
class Ledger:
    """The newest state of the store; only the writer's thread changes it, and each change replaces a value."""

    host_ids: set[int] = field(default_factory=set[int])
    spans: dict[tuple[int, Tier], Span] = field(default_factory=dict[tuple[int, Tier], Span])
    scrubs: KnownScrubs = field(default_factory=KnownScrubs)
    next_sample_id: int = 1

    @classmethod
    def load(cls, connection: DuckDBPyConnection) -> Ledger:
        """Read the ledger from the store."""
        ledger = cls()
        ledger.host_ids = {
            row[0] for row in _fetch(connection, "SELECT host_id FROM base.hosts WHERE deleted_at IS NULL")
        }
        for tier, query in _SPANS.items():
            for host_id, *moments in _fetch(connection, query):
                ledger.spans[host_id, tier] = Span(*map(from_store, moments))
        for host_id, pool, seconds, *moments in _fetch(connection, _SCRUBS, MOST_KNOWN):
            ledger.scrubs.add([Scrub(host_id, pool, seconds, *map(from_store, moments))])
        ledger.next_sample_id = _fetch(connection, _NEXT_ID)[0][0]
        return ledger

    def add(self, samples: Iterable[Sample]) -> None:
        """Take in samples that were stored."""
        for sample in samples:
            self.next_sample_id += 1
            key, moments = (sample.host_id, sample.tier), (sample.observed_at, sample.observed_at)
            known = self.spans.get(key, Span(sample.collected_at, *moments, sample.received_at))
            self.spans[key] = known.extended(sample)

    def forget(self, host_id: int, *, keep_history: bool) -> None:
        """Take no more samples of a host that was deleted, and drop what is known of those it had."""
        self.host_ids.discard(host_id)
        if keep_history:
            return
        self.spans = {key: span for key, span in self.spans.items() if key[0] != host_id}
        self.scrubs.forget(host_id)


def _fetch(connection: DuckDBPyConnection, query: str, *values: int) -> list[tuple[Any, ...]]:
    return connection.execute(query, values).fetchall()
