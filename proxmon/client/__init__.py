"""The fleet in a notebook: DataFrames and SQL on the live store, read-only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxmon.board import JudgedHost
from proxmon.client.frames import as_frame, as_table, convert, pd, read_batches
from proxmon.client.judged import read_judged
from proxmon.client.local import CopySource, LocalSource
from proxmon.client.server import ServerSource
from proxmon.client.sources import Parameters, Source
from proxmon.config import Settings, read_settings
from proxmon.errors import NotFoundError, QueryError, TokenError
from proxmon.runtime import utc_now
from proxmon.series import METRICS, SeriesKind, read_timedelta

__all__ = ["Fleet", "as_frame", "connect", "read_batches"]

Moment = datetime | str | None

# Where a column's values are: the first part of the tables' names, and what the values belong to.
TABLES: dict[SeriesKind, tuple[str, str]] = {
    SeriesKind.HOST: ("host", "''"),
    SeriesKind.ZPOOL: ("zpool", "pool"),
    SeriesKind.STORAGE: ("storage", "storage"),
    SeriesKind.GUEST: ("guest", "type || '/' || vmid"),
}
# What follows it, the column of the moment, and what the column's name ends with.
RESOLUTIONS: dict[str, tuple[str, str, str]] = {
    "sample": ("_samples", "observed_at", ""),
    "minute": ("_1m", "started_at", "_mean"),
    "hour": ("_1h", "started_at", "_mean"),
}


class Fleet:
    """A fleet to analyse: every method asks anew and returns what was acknowledged until then."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def hosts(self, at: Moment = None) -> Any:
        """Return a DataFrame of the hosts: host, id, status, unknown (rules), last_seen_at, agent_version."""
        names = ["host", "id", "status", "unknown", "last_seen_at", "agent_version"]
        return _with_times(pd.DataFrame(self._source.list_hosts(as_moment(at)), columns=names), "last_seen_at")

    def host(self, name: str, at: Moment = None) -> JudgedHost:
        """Return one host with its verdicts and newest samples, as the pages read it; raises NotFoundError."""
        return read_judged(self._source.get_host(name, as_moment(at)))

    def hold(self) -> AbstractContextManager[None]:
        """Stay connected for several questions in a row: without a server, each would open the store otherwise."""
        return self._source.hold()

    def now(self) -> datetime:
        """Return the moment up to which something can be known: the present, or the end of a bundle."""
        return self._source.now()

    def status(self, at: Moment = None) -> Any:
        """Return a Series of the status of each host, now or as of a past moment; its index is the host."""
        return self.hosts(at).set_index("host")["status"]

    def findings(self, at: Moment = None) -> Any:
        """Return a DataFrame of every rule of every host: verdict and since when, message, value, threshold, ..."""
        names = ["host", "rule", "verdict", "since", "message", "subject", "value", "unit", "threshold", "observed_at"]
        hosts = self._source.list_hosts(as_moment(at))
        rows = [{"host": host["host"], **finding} for host in hosts for finding in host["findings"]]
        return _with_times(pd.DataFrame(rows, columns=names), "since", "observed_at")

    def forecasts(self) -> Any:
        """Return a DataFrame of when pools, storages and datasets with quotas are full; empty without a server."""
        names = ["host", "kind", "subject", "days", "earliest_days", "latest_days", "full_at", "bytes_per_day"]
        names += ["why", "held", "tried", "history_days"]
        hosts = self._source.list_hosts(None)
        rows = [{"host": host["host"], **one} for host in hosts for one in host.get("forecasts", ())]
        return _with_times(pd.DataFrame(rows, columns=names), "full_at")

    def guests(self, query: str = "", at: Moment = None) -> Any:
        """Return a DataFrame of the guests whose name, vmid or IP address contains the query."""
        names = ["host", "vmid", "type", "name", "run_state", "ips", "macs"]
        return pd.DataFrame(self._source.list_guests(query, as_moment(at)), columns=names)

    def series(
        self,
        host: str,
        column: str,
        since: str | datetime = "24h",
        until: Moment = None,
        resolution: str = "sample",
    ) -> Any:
        """Return a DataFrame of a column over time: its index is ``observed_at`` (UTC), its columns subject and value.

        ``since`` is a span before ``until`` such as ``24h`` or ``7d``, or a moment. The subject is a pool, a storage
        or a guest such as ``qemu/100``, and empty for the host itself. ``resolution`` is ``sample``, or ``minute`` or
        ``hour`` for means over such a span, which are kept for longer (docs/store.md); the index is then its start.

        Raises:
            NotFoundError: there is no such column or resolution.
        """
        if resolution not in RESOLUTIONS:
            raise NotFoundError(f"Choose one of the resolutions {', '.join(RESOLUTIONS)}.")
        (table, subject), (suffix, at, ending) = _table_of(column), RESOLUTIONS[resolution]
        end = as_moment(until) or self._source.now()
        sql = (
            f"SELECT {at} AS observed_at, {subject} AS subject, {column}{ending} AS value FROM {table}{suffix} "  # noqa: S608 - from our tables
            f"WHERE host = ? AND {at} >= ?::TIMESTAMP AND {at} <= ?::TIMESTAMP ORDER BY observed_at, subject"
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
        return convert(as_table(self._source.read(query, parameters)), as_)

    def stream(self, query: str, parameters: Parameters = None, as_: str = "pandas") -> Iterator[Any]:
        """Give the rows of a SQL statement as they arrive, some thousand at a time, in the same forms as ``sql``.

        All of it sees the moment at which the first rows are asked for. Raises QueryError also on the way.
        """
        with closing(self._source.read(query, parameters)) as batches:
            for batch in batches:
                if batch.num_rows:
                    yield convert(as_table([batch]), as_)


def connect(where: str | Path | None = None, token: str | None = None) -> Fleet:
    """Connect to a fleet: the local data directory, another one, a bundle, or a server's URL with an API token.

    A bundle (``proxmon bundle``) shows its own moment where none is asked for. Without a token, PROXMON_TOKEN is
    used. Nothing is asked yet.

    Raises:
        TokenError: a URL without a token.
    """
    if where is not None and str(where).startswith(("http://", "https://")):
        given = token or os.environ.get("PROXMON_TOKEN", "")
        if not given:
            raise TokenError("Give an API token: make one with `proxmon tokens add NAME` on the server.")
        return Fleet(ServerSource(str(where), given))
    return connect_locally(read_settings(os.environ, data=str(where) if where is not None else None))


def connect_locally(settings: Settings) -> Fleet:
    """Connect to the data directory of these settings, whether its server runs or not; or to a bundle."""
    is_copy = settings.read_only or settings.data_directory.is_file()
    return Fleet(CopySource(settings) if is_copy else LocalSource(settings))


def read_span(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """Return the bounds that a person wrote: moments, or for ``since`` also a span before ``until`` or now.

    Raises:
        QueryError: one of them is neither, or they are in the wrong order.
    """
    end = read_moment(until) if until else None
    begin = None
    if since:
        try:
            begin = (end or utc_now()) - read_timedelta(since)
        except QueryError:
            begin = read_moment(since)
    if begin and end and begin >= end:
        raise QueryError("Let --since be before --until.")
    return begin, end


def read_moment(text: str) -> datetime:
    """Return the moment that a person wrote, in UTC where no zone is named. Raises QueryError."""
    try:
        return as_moment(text) or utc_now()
    except ValueError as error:
        raise QueryError(
            f"Write a moment as 2026-11-20T03:12Z, or a span as 24h or 7d: {text[:40]} is neither."
        ) from error


def as_moment(moment: Moment) -> datetime | None:
    """Return a moment in UTC; one without a zone is taken as UTC."""
    if moment is None:
        return None
    stamp = pd.Timestamp(moment)
    stamp = stamp.tz_localize(UTC) if stamp.tzinfo is None else stamp.tz_convert(UTC)
    return stamp.to_pydatetime()


def _with_times(frame: Any, *columns: str) -> Any:
    times = {column: pd.to_datetime(frame[column], utc=True, format="ISO8601") for column in columns}
    return frame.assign(**times)


def _start(since: str | datetime, end: datetime) -> datetime:
    if isinstance(since, str):
        with suppress(QueryError):
            return end - read_timedelta(since)
    return as_moment(since) or end


def _table_of(column: str) -> tuple[str, str]:
    for kind, columns in METRICS.items():
        if column in columns:
            return TABLES[kind]
    known = sorted({column for columns in METRICS.values() for column in columns})
    raise NotFoundError(f"Choose one of the columns {', '.join(known)}, or ask with sql().")
