"""Taking in a group of samples: each is checked, duplicates are found, new ones get their numbers."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from proxmon.errors import NotFoundError, SampleError
from proxmon.payload import Tier
from proxmon.samples import Sample
from storage.journal import Entry
from storage.ledger import Ledger
from storage.moments import from_store, to_store
from storage.rows import Rows, typed_rows
from storage.tables import SAMPLE_TABLES, Row

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
Find = Callable[[Sequence[Sample]], set[Key]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sample that can be stored: it is text, and its typed rows were made without an error."""

    sample: Sample
    rows: Rows


@dataclass(frozen=True, slots=True)
class Stored:
    """A sample by its number; ``has_payload`` when DuckDB has it already, and only its typed rows are missing."""

    sample_id: int
    sample: Sample
    rows: Rows
    has_payload: bool = False

    def journaled(self) -> Entry:
        """Return the sample as the journal keeps it."""
        sample = self.sample
        return Entry(
            self.sample_id,
            sample.host_id,
            sample.tier,
            sample.collected_at,
            sample.received_at,
            sample.observed_at,
            sample.interval_seconds,
            sample.clock_offset_seconds,
            sample.agent_version,
            sample.raw,
        )


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
        sample.raw.decode()
        return Prepared(sample, typed_rows(sample))
    except (UnicodeDecodeError, OverflowError, ValueError) as error:
        raise SampleError(f"Correct the {sample.tier} sample of {sample.collected_at}: {error}.") from error


def admit(ledger: Ledger, group: Sequence[Prepared], pending: Container[Key], find: Find) -> list[Stored | None]:
    """Number the new samples of a group; None stands for each one that is stored already.

    ``pending`` are the samples that DuckDB does not have yet, and ``find`` returns which of some it has.
    """
    samples = [prepared.sample for prepared in group]
    # In this order: a sample that stops pending in between is found in DuckDB.
    seen = {sample.key for sample in samples if sample.key in pending}
    late = [sample for sample in samples if sample.key not in seen and _may_be_stored(ledger, sample)]
    seen |= find(late) if late else set()
    stored: list[Stored | None] = []
    next_id = ledger.next_sample_id
    for prepared in group:
        is_new = prepared.sample.key not in seen
        seen.add(prepared.sample.key)
        stored.append(Stored(next_id, prepared.sample, prepared.rows) if is_new else None)
        next_id += is_new
    return stored


def _may_be_stored(ledger: Ledger, sample: Sample) -> bool:
    span = ledger.spans.get((sample.host_id, sample.tier))
    return span is not None and sample.collected_at <= span.newest_collected_at


def find_stored(connection: DuckDBPyConnection, samples: Sequence[Sample]) -> set[Key]:
    """Return which of these samples DuckDB has."""
    found: set[Key] = set()
    for tier in {sample.tier for sample in samples}:
        host_ids = [sample.host_id for sample in samples if sample.tier is tier]
        moments = [to_store(sample.collected_at) for sample in samples if sample.tier is tier]
        parameters = [host_ids, moments, min(moments), max(moments)]
        rows = connection.execute(_FIND_STORED[tier], parameters).fetchall()
        found |= {(host_id, tier, from_store(at)) for host_id, at in rows}
    return found


def insert_samples(connection: DuckDBPyConnection, entries: Sequence[Stored]) -> None:
    """Insert samples as they came, inside the caller's transaction."""
    for tier in Tier:
        rows = [_row(entry) for entry in entries if entry.sample.tier is tier]
        if rows:
            _insert(connection, tier, rows)


def _insert(connection: DuckDBPyConnection, tier: Tier, rows: Sequence[Row]) -> None:
    if len(rows) <= MAX_PARAMETER_ROWS:
        *columns, payloads = zip(*rows, strict=True)
        texts = [payload.decode() for payload in payloads]
        connection.execute(_INSERT_FEW[tier], [*map(list, columns), texts])
    else:
        SAMPLE_TABLES[tier].append(connection, rows)


def _row(entry: Stored) -> Row:
    sample = entry.sample
    moments = map(to_store, (sample.collected_at, sample.received_at, sample.observed_at))
    clocks = (sample.interval_seconds, sample.clock_offset_seconds)
    return (entry.sample_id, sample.host_id, *moments, *clocks, sample.agent_version, sample.raw)
