"""Storing a group of samples as they came: duplicates found, one transaction, the ledger brought up to date."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from proxmon.errors import NotFoundError, SampleError
from proxmon.payload import Tier
from proxmon.samples import Sample
from storage.ledger import Ledger, Scrub
from storage.moments import from_store, to_store
from storage.rows import Rows, typed_rows
from storage.tables import SAMPLE_TABLES, ZPOOL_SCRUBS, Row

# Few rows go in as parameters, which costs 2 ms less than Arrow and grows faster with the number of rows.
MAX_PARAMETER_ROWS = 16
_VALUES = """ SELECT unnest($1::BIGINT[]), unnest($2::INTEGER[]), unnest($3::TIMESTAMP[]), unnest($4::TIMESTAMP[]),
    unnest($5::TIMESTAMP[]), unnest($6::DOUBLE[]), unnest($7::DOUBLE[]), unnest($8::VARCHAR[]), unnest($9::VARCHAR[])"""
_INSERT_FEW = {
    Tier.FAST: "INSERT INTO base.fast_samples" + _VALUES,
    Tier.MEDIUM: "INSERT INTO base.medium_samples" + _VALUES,
    Tier.SLOW: "INSERT INTO base.slow_samples" + _VALUES,
}
# The span lets zone maps skip everything but the row groups of that time.
_FIND_STORED = {
    Tier.FAST: """
    SELECT host_id, collected_at FROM base.fast_samples
    JOIN (SELECT unnest($1::INTEGER[]) AS host_id, unnest($2::TIMESTAMP[]) AS collected_at) AS wanted
    USING (host_id, collected_at) WHERE collected_at BETWEEN $3 AND $4""",
    Tier.MEDIUM: """
    SELECT host_id, collected_at FROM base.medium_samples
    JOIN (SELECT unnest($1::INTEGER[]) AS host_id, unnest($2::TIMESTAMP[]) AS collected_at) AS wanted
    USING (host_id, collected_at) WHERE collected_at BETWEEN $3 AND $4""",
    Tier.SLOW: """
    SELECT host_id, collected_at FROM base.slow_samples
    JOIN (SELECT unnest($1::INTEGER[]) AS host_id, unnest($2::TIMESTAMP[]) AS collected_at) AS wanted
    USING (host_id, collected_at) WHERE collected_at BETWEEN $3 AND $4""",
}

Key = tuple[int, Tier, datetime]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sample that can be stored: its text and its typed rows were made without an error."""

    sample: Sample
    text: str
    rows: Rows


@dataclass(frozen=True, slots=True)
class Stored:
    """A sample that was stored, by its number."""

    sample_id: int
    sample: Sample
    rows: Rows


def prepare(samples: Iterable[Sample], ledger: Ledger) -> list[Prepared]:
    """Check that each of these samples can be stored.

    Raises:
        SampleError: a value has no place in the store.
        NotFoundError: the host is not, or no longer, in the fleet.
    """
    return [_prepare(sample, ledger) for sample in samples]


def _prepare(sample: Sample, ledger: Ledger) -> Prepared:
    if sample.host_id not in ledger.host_ids:
        raise NotFoundError("The host was deleted: add it again and use its new token.")
    try:
        return Prepared(sample, sample.raw.decode(), typed_rows(sample))
    except (UnicodeDecodeError, OverflowError, ValueError) as error:
        raise SampleError(f"Correct the {sample.tier} sample of {sample.collected_at}: {error}.") from error


def store_group(connection: DuckDBPyConnection, ledger: Ledger, group: Sequence[Prepared]) -> list[Stored | None]:
    """Store the new samples of a group durably; None stands for each one that is stored already."""
    is_new = _find_new(connection, ledger, [prepared.sample for prepared in group])
    stored: list[Stored | None] = []
    next_id = ledger.next_sample_id
    for prepared, new in zip(group, is_new, strict=True):
        stored.append(Stored(next_id, prepared.sample, prepared.rows) if new else None)
        next_id += new
    fresh = [(entry, prepared.text) for entry, prepared in zip(stored, group, strict=True) if entry]
    if fresh:
        samples = [entry.sample for entry, _ in fresh]
        scrubs = ledger.new_scrubs(samples)
        _commit(connection, fresh, scrubs)
        ledger.add(samples)
        ledger.add_scrubs(scrubs)
    return stored


def _find_new(connection: DuckDBPyConnection, ledger: Ledger, samples: Sequence[Sample]) -> list[bool]:
    seen: set[Key] = _find_stored(connection, [sample for sample in samples if _may_be_stored(ledger, sample)])
    is_new: list[bool] = []
    for sample in samples:
        is_new.append(sample.key not in seen)
        seen.add(sample.key)
    return is_new


def _may_be_stored(ledger: Ledger, sample: Sample) -> bool:
    span = ledger.spans.get((sample.host_id, sample.tier))
    return span is not None and sample.collected_at <= span.newest_collected_at


def _find_stored(connection: DuckDBPyConnection, samples: Sequence[Sample]) -> set[Key]:
    found: set[Key] = set()
    for tier in {sample.tier for sample in samples}:
        host_ids = [sample.host_id for sample in samples if sample.tier is tier]
        moments = [to_store(sample.collected_at) for sample in samples if sample.tier is tier]
        parameters = [host_ids, moments, min(moments), max(moments)]
        rows = connection.execute(_FIND_STORED[tier], parameters).fetchall()
        found |= {(host_id, tier, from_store(at)) for host_id, at in rows}
    return found


def _commit(connection: DuckDBPyConnection, fresh: Sequence[tuple[Stored, str]], scrubs: Sequence[Scrub]) -> None:
    rows = {tier: [_row(entry, text) for entry, text in fresh if entry.sample.tier is tier] for tier in Tier}
    used = [tier for tier in Tier if rows[tier]]
    # One statement is a transaction by itself, and each statement less saves the lone sample half a millisecond.
    is_lone = len(used) == 1 and not scrubs
    if not is_lone:
        connection.execute("BEGIN")
    for tier in used:
        _insert(connection, tier, rows[tier])
    if scrubs:
        ZPOOL_SCRUBS.append(connection, [_scrub_row(scrub) for scrub in scrubs])
    if not is_lone:
        connection.execute("COMMIT")


def _scrub_row(scrub: Scrub) -> Row:
    return (scrub.host_id, scrub.pool, to_store(scrub.ended_at), to_store(scrub.observed_at))


def _insert(connection: DuckDBPyConnection, tier: Tier, rows: Sequence[Row]) -> None:
    if len(rows) <= MAX_PARAMETER_ROWS:
        connection.execute(_INSERT_FEW[tier], [list(column) for column in zip(*rows, strict=True)])
    else:
        SAMPLE_TABLES[tier].append(connection, rows)


def _row(entry: Stored, text: str) -> Row:
    sample = entry.sample
    moments = map(to_store, (sample.collected_at, sample.received_at, sample.observed_at))
    clocks = (sample.interval_seconds, sample.clock_offset_seconds)
    return (entry.sample_id, sample.host_id, *moments, *clocks, sample.agent_version, text)
