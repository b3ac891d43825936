"""The fleet in a notebook: DataFrames and SQL on the live store, read-only."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import pandas  # pyright: ignore[reportMissingTypeStubs]
import pyarrow  # pyright: ignore[reportMissingTypeStubs]

from proxmon.answers import guest_answer, host_answer, iso
from proxmon.board import PastBoard
from proxmon.config import Settings, read_settings
from proxmon.control import read_control
from proxmon.errors import NotFoundError, ProxmonError, QueryError, TokenError
from proxmon.guests import search_guests
from proxmon.parts import load_part
from proxmon.runtime import Store, utc_now
from proxmon.series import METRICS, SeriesKind

# Neither is typed; their objects are named in the docstrings.
pd: Any = pandas
pa: Any = pyarrow

TIMEOUT_SECONDS = 60
Parameters = Sequence[object] | Mapping[str, object] | None
Rows = list[dict[str, Any]]

# Where a column's values are, and which column says what they belong to.
TABLES: dict[SeriesKind, tuple[str, str]] = {
    SeriesKind.HOST: ("host_samples", "''"),
    SeriesKind.ZPOOL: ("zpool_samples", "pool"),
    SeriesKind.STORAGE: ("storage_samples", "storage"),
    SeriesKind.GUEST: ("guest_samples", "type || '/' || vmid"),
}


class Source(Protocol):
    """Where the answers come from."""

    def list_hosts(self, at: datetime | None) -> Rows:
        """List the judged hosts in the form of ``GET /api/hosts``."""
        ...

    def list_guests(self, query: str) -> Rows:
        """List the guests that match, in the form of ``GET /api/guests``."""
        ...

    def query(self, sql: str, parameters: Parameters) -> Any:
        """Return the rows of a query as a pyarrow.Table."""
        ...


class Fleet:
    """A fleet to analyse: every method asks anew and returns what was acknowledged until then."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def hosts(self, at: datetime | str | None = None) -> Any:
        """Return a DataFrame of the hosts: host, id, status, unknown (rules), last_seen_at, agent_version."""
        names = ["host", "id", "status", "unknown", "last_seen_at", "agent_version"]
        frame = pd.DataFrame(self._source.list_hosts(as_moment(at)), columns=names)
        return frame.assign(last_seen_at=pd.to_datetime(frame["last_seen_at"], utc=True, format="ISO8601"))

    def status(self, at: datetime | str | None = None) -> Any:
        """Return a Series of the status of each host, now or as of a past moment; its index is the host."""
        return self.hosts(at).set_index("host")["status"]

    def findings(self, at: datetime | str | None = None) -> Any:
        """Return a DataFrame of every rule of every host: verdict, message, subject, value, unit, threshold."""
        names = ["host", "rule", "verdict", "message", "subject", "value", "unit", "threshold", "observed_at"]
        hosts = self._source.list_hosts(as_moment(at))
        rows = [{"host": host["host"], **finding} for host in hosts for finding in host["findings"]]
        return pd.DataFrame(rows, columns=names)

    def guests(self, query: str = "") -> Any:
        """Return a DataFrame of the guests whose name, vmid or IP address contains the query."""
        names = ["host", "vmid", "type", "name", "run_state", "ips", "macs"]
        return pd.DataFrame(self._source.list_guests(query), columns=names)

    def series(self, host: str, column: str, since: str | datetime = "24h", until: str | datetime | None = None) -> Any:
        """Return a DataFrame of a column over time: its index is ``observed_at`` (UTC), its columns subject and value.

        ``since`` is a span before ``until`` such as ``24h`` or ``7d``, or a moment. The subject is a pool, a storage
        or a guest such as ``qemu/100``, and empty for the host itself.

        Raises:
            NotFoundError: there is no such column.
        """
        table, subject = _table_of(column)
        end = as_moment(until) or utc_now()
        sql = (
            f"SELECT observed_at, {subject} AS subject, {column} AS value FROM {table} "  # noqa: S608 - from our tables
            "WHERE host = ? AND observed_at >= ? AND observed_at <= ? ORDER BY observed_at, subject"
        )
        span = [moment.replace(tzinfo=None).isoformat() for moment in (_start(since, end), end)]
        frame = self.sql(sql, [host, *span])
        return frame.assign(observed_at=frame["observed_at"].dt.tz_localize("UTC")).set_index("observed_at")

    def sql(self, query: str, parameters: Parameters = None, as_: str = "pandas") -> Any:
        """Return the rows of a SQL statement on the store's views (docs/store.md), live and read-only.

        ``as_`` is ``pandas``, ``arrow`` or ``polars``; ``parameters`` are the values of ``?`` or ``$name``.

        Raises:
            QueryError: the statement does more than read, is wrong, or takes too long.
        """
        table = self._source.query(query, parameters)
        if as_ == "arrow":
            return table
        if as_ == "polars":
            polars: Any = import_module("polars")
            return polars.from_arrow(table)
        return as_frame(table)


class ServerSource:
    """Asks a running server, on this machine or another."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url.rstrip("/"), token

    def list_hosts(self, at: datetime | None) -> Rows:
        """List the judged hosts."""
        return self._get("/api/hosts", at=iso(at))["hosts"]

    def list_guests(self, query: str) -> Rows:
        """List the guests that match."""
        return self._get("/api/guests", q=query)["guests"]

    def query(self, sql: str, parameters: Parameters) -> Any:
        """Return the rows of a query, read as they arrive."""
        body = json.dumps({"sql": sql, "parameters": parameters}, default=str).encode()
        with self._open("/api/query", body) as answer:
            try:
                return read_table(answer)
            except (pa.ArrowException, OSError, HTTPException) as error:
                raise QueryError("Ask again: the answer was cut off before its end.") from error

    def _get(self, path: str, **parameters: str | None) -> Any:
        given = {name: value for name, value in parameters.items() if value}
        with self._open(f"{path}?{urlencode(given)}" if given else path) as answer:
            return json.load(answer)

    def _open(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data=body, headers=headers)  # noqa: S310 - the caller's own
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310 - as above
        except urllib.error.HTTPError as error:
            kind = {401: TokenError, 422: QueryError}.get(error.code, ProxmonError)
            raise kind(_sentence(error)) from error
        except OSError as error:
            raise ProxmonError(f"Look at the server at {self._url}: it does not answer ({error}).") from error


class StoreSource:
    """Opens the store itself, for one question at a time, so that a server may start in between."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def list_hosts(self, at: datetime | None) -> Rows:
        """List the judged hosts."""
        board = self._board(at)
        return [host_answer(judged, board.at) for judged in board.list_hosts()]

    def list_guests(self, query: str) -> Rows:
        """List the guests that match."""
        return [guest_answer(guest) for guest in search_guests(self._board(None).list_hosts(), query)]

    def query(self, sql: str, parameters: Parameters) -> Any:
        """Return the rows of a query."""
        store = self._open()
        try:
            return read_table(b"".join(_chunks(store, sql, parameters, self._settings)))
        finally:
            store.close()

    def _board(self, at: datetime | None) -> PastBoard:
        store = self._open()
        try:
            return PastBoard(store.snapshot(at or utc_now()), self._settings.rules)
        finally:
            store.close()

    def _open(self) -> Store:
        if not self._settings.data_directory.is_dir():
            raise NotFoundError(f"Name a data directory that exists: {self._settings.data_directory} does not.")
        return load_part("store").open(self._settings.data_directory)


class LocalSource:
    """Asks the server of a data directory when one runs, else opens the store."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def list_hosts(self, at: datetime | None) -> Rows:
        """List the judged hosts."""
        return self._now().list_hosts(at)

    def list_guests(self, query: str) -> Rows:
        """List the guests that match."""
        return self._now().list_guests(query)

    def query(self, sql: str, parameters: Parameters) -> Any:
        """Return the rows of a query."""
        return self._now().query(sql, parameters)

    def _now(self) -> Source:
        running = read_control(self._settings.data_directory)
        if running is not None and _is_alive(running.pid):
            return ServerSource(running.url, running.token)
        return StoreSource(self._settings)


def connect(where: str | Path | None = None, token: str | None = None) -> Fleet:
    """Connect to a fleet: the local data directory, another one, or a server's URL with an API token.

    Without a token, PROXMON_TOKEN is used. Nothing is asked yet.

    Raises:
        TokenError: a URL without a token.
    """
    if where is not None and str(where).startswith(("http://", "https://")):
        given = token or os.environ.get("PROXMON_TOKEN", "")
        if not given:
            raise TokenError("Give an API token: make one with `proxmon tokens add NAME` on the server.")
        return Fleet(ServerSource(str(where), given))
    return Fleet(LocalSource(read_settings(os.environ, data=str(where) if where is not None else None)))


def read_table(stream: Any) -> Any:
    """Return the pyarrow.Table of an Arrow IPC stream. Raises QueryError when the query failed on the way."""
    reader, batches = pa.ipc.open_stream(stream), list[Any]()
    with suppress(StopIteration):
        while True:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
            if metadata is not None and b"error" in metadata:
                raise QueryError(metadata[b"error"].decode())
            batches.append(batch)
    return pa.Table.from_batches(batches, schema=reader.schema)


def as_frame(table: Any) -> Any:
    """Return a DataFrame of a pyarrow.Table: whole numbers as integers where they fit, dates as timestamps.

    DuckDB's sums of integers are wider than 64 bits; as Python's decimals they could not be calculated with.
    """
    for position, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(position, field.name, _as_number(table.column(position), field.type.scale))
    return table.to_pandas(date_as_object=False)


def _as_number(column: Any, scale: int) -> Any:
    if scale == 0:
        with suppress(pa.ArrowInvalid):
            return column.cast(pa.int64())
    return column.cast(pa.float64())


def as_moment(moment: datetime | str | None) -> datetime | None:
    """Return a moment in UTC; one without a zone is taken as UTC."""
    if moment is None:
        return None
    stamp = pd.Timestamp(moment)
    stamp = stamp.tz_localize(UTC) if stamp.tzinfo is None else stamp.tz_convert(UTC)
    return stamp.to_pydatetime()


def _start(since: str | datetime, end: datetime) -> datetime:
    try:
        return end - pd.Timedelta(since).to_pytimedelta()
    except (ValueError, TypeError):
        return as_moment(since) or end


def _table_of(column: str) -> tuple[str, str]:
    for kind, columns in METRICS.items():
        if column in columns:
            return TABLES[kind]
    known = sorted({column for columns in METRICS.values() for column in columns})
    raise NotFoundError(f"Choose one of the columns {', '.join(known)}, or ask with sql().")


def _chunks(store: Store, sql: str, parameters: Parameters, settings: Settings) -> Iterator[bytes]:
    answer = store.query(sql, parameters, settings.query_seconds)
    try:
        while chunk := answer.next_chunk():
            yield chunk
    finally:
        answer.close()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {error.code}."
