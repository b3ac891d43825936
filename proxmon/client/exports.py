"""Writes a view of the store to a file: Parquet or CSV, streamed, so that its size does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import IO, Any, Protocol

import pyarrow.csv  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.parquet  # pyright: ignore[reportMissingTypeStubs]

from proxmon.client.frames import pa
from proxmon.errors import NotFoundError, QueryError

csv: Any = pyarrow.csv
parquet: Any = pyarrow.parquet

# When a row was so: a view has the first of these that it has a column for.
MOMENT_COLUMNS = ("observed_at", "happened_at", "started_at", "opened_at")
# A query may work for half a minute (PROXMON_QUERY_SECONDS): each reads a span with about so many rows.
ROWS_OF_QUERY = 1_000_000
ROWS_WITH_PAYLOADS = 50_000
ROW_GROUP_ROWS = 100_000
ROW_GROUP_BYTES = 64 * 2**20


class Format(StrEnum):
    """What a file is written as."""

    PARQUET = "parquet"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A view, and which of its rows: from ``since`` on, before ``until``, of one host; None is no bound."""

    view: str
    since: datetime | None = None
    until: datetime | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of a view: what they fulfil, the values for it, and the column of their moment, if they have one."""

    view: str
    where: tuple[str, ...] = ()
    values: tuple[object, ...] = ()
    moment: str | None = None

    def narrowed(self, condition: str, *values: object) -> Selection:
        """Return those of the rows that also fulfil a condition."""
        return replace(self, where=(*self.where, condition), values=(*self.values, *values))

    def sql(self, columns: str) -> str:
        """Return the statement that reads these columns of them."""
        where = f" WHERE {' AND '.join(self.where)}" if self.where else ""
        return f'SELECT {columns} FROM "{self.view}"{where}'  # noqa: S608 - the view was looked up


class Asked(Protocol):
    """What an export asks of a fleet."""

    def sql(self, query: str, parameters: list[object] | None = None, as_: str = "pandas") -> Any:
        """Return all rows."""

    def stream(self, query: str, parameters: list[object] | None = None, as_: str = "pandas") -> Iterator[Any]:
        """Give the rows in parts."""
        ...


def list_views(fleet: Asked) -> list[str]:
    """List the names of the views, which docs/store.md explains."""
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' ORDER BY table_name"
    return [str(row["table_name"]) for row in fleet.sql(sql, as_="arrow").to_pylist()]


def export(fleet: Asked, request: ExportRequest, kind: Format, target: IO[bytes]) -> int:
    """Write the rows of a view and return how many there were; in the order in which they were stored.

    In CSV, lists are JSON. Memory does not grow with the number of rows.

    Raises:
        NotFoundError: there is no such view or host.
        QueryError: the view has no time or no host to choose by, or a query failed.
    """
    columns = _columns(fleet, request.view)
    selection, selected = _select(fleet, request, list(columns)), _selected(columns, kind)
    schema = fleet.sql(f"{Selection(request.view).sql(selected)} LIMIT 0", as_="arrow").schema
    most = ROWS_WITH_PAYLOADS if "payload" in columns else ROWS_OF_QUERY
    with _writer(kind, target, schema) as writer:
        return sum(
            _write(writer, fleet.stream(part.sql(selected), list(part.values), as_="arrow"))
            for part in _parts(fleet, selection, most)
        )


def _writer(kind: Format, target: IO[bytes], schema: Any) -> Any:
    if kind is Format.CSV:
        return csv.CSVWriter(target, schema)
    return parquet.ParquetWriter(target, schema, compression="zstd")


def _columns(fleet: Asked, view: str) -> dict[str, str]:
    sql = (
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'main' AND table_name = ? ORDER BY ordinal_position"
    )
    rows = fleet.sql(sql, [view], as_="arrow").to_pylist()
    if not rows:
        raise NotFoundError(f"Choose one of the tables {', '.join(list_views(fleet))}: {view[:64]} is none.")
    return {row["column_name"]: row["data_type"] for row in rows}


def _selected(columns: dict[str, str], kind: Format) -> str:
    lists = [name for name, data_type in columns.items() if data_type.endswith("[]")]
    if kind is Format.PARQUET or not lists:
        return "*"
    return f"* REPLACE ({', '.join(f'to_json({name})::VARCHAR AS {name}' for name in lists)})"


def _select(fleet: Asked, request: ExportRequest, columns: list[str]) -> Selection:
    moment = next((name for name in MOMENT_COLUMNS if name in columns), None)
    selection = Selection(request.view, moment=moment)
    if request.host is not None:
        if "host" not in columns:
            raise QueryError(f"Leave out --host: the rows of {request.view} belong to no host.")
        if not fleet.sql("SELECT 1 FROM hosts WHERE host = ?", [request.host], as_="arrow").num_rows:
            raise NotFoundError(f"Choose one of the hosts there are: {request.host[:64]} is none.")
        selection = selection.narrowed("host = ?", request.host)
    for at, comparison in ((request.since, ">="), (request.until, "<")):
        if at is not None and moment is None:
            raise QueryError(f"Leave out --since and --until: the rows of {request.view} have no time.")
        if at is not None:
            selection = selection.narrowed(f"{moment} {comparison} ?::TIMESTAMP", _text(at))
    return selection


def _parts(fleet: Asked, selection: Selection, most: int) -> Iterator[Selection]:
    """Give spans of time that have about so many rows each."""
    moment = selection.moment
    if moment is None:
        yield selection
        return
    sql = selection.sql(f"count(*) AS rows, min({moment}) AS first, max({moment}) AS last")
    (found,) = fleet.sql(sql, list(selection.values), as_="arrow").to_pylist()
    first, last, count = found["first"], found["last"], -(-found["rows"] // most)
    bounds = [first + (last - first) * number / count for number in range(count)]
    # What comes meanwhile is not asked for: the last row that was counted ends the last span.
    for begin, end in pairwise([*bounds, (last or datetime.min) + timedelta(microseconds=1)]):
        yield selection.narrowed(f"{moment} >= ?::TIMESTAMP AND {moment} < ?::TIMESTAMP", _text(begin), _text(end))


def _text(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat()


def _write(writer: Any, tables: Iterator[Any]) -> int:
    """Write the rows in groups as large as readers of Parquet like them."""
    waiting, rows = list[Any](), 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if sum(one.num_rows for one in waiting) >= ROW_GROUP_ROWS or _bytes(waiting) >= ROW_GROUP_BYTES:
            writer.write_table(pa.concat_tables(waiting))
            waiting = []
    if waiting:
        writer.write_table(pa.concat_tables(waiting))
    return rows


def _bytes(tables: list[Any]) -> int:
    return sum(table.nbytes for table in tables)
