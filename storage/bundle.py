"""An incident bundle: what a fleet's store has of one host around a moment, as one DuckDB file.

The rows are asked of the fleet as an analyst would, so it does not matter whether its server runs. They are those of
one host; hashes of tokens are in no table that can be asked.
"""

# ruff: noqa: S608 - the names in these statements are constants of this module

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.errors import NotFoundError, StoreUnavailableError
from proxmon.version import __version__
from storage.database import CONFIG, first_line
from storage.migrations import migrate
from storage.moments import to_store
from storage.rebuilt import TREE_AGE

# The newest row before the span goes along: at its beginning that is what is shown.
SAMPLES = (
    *("fast_samples", "medium_samples", "slow_samples", "host_samples", "zpool_samples", "storage_samples"),
    *("guest_samples", "dataset_samples", "guest_addresses", "system_samples", "section_errors"),
)
ROLLUPS = ("host_1m", "host_1h", "zpool_1m", "zpool_1h", "storage_1m", "storage_1h", "guest_1m", "guest_1h")
# What happened before counts at any later moment: an alert may be open, a scrub long ago.
HAPPENED = {
    "host_events": "happened_at",
    "events": "happened_at",
    "alert_events": "happened_at",
    "zpool_scrubs": "observed_at",
}
KEPT_AGE = timedelta(hours=25)  # of what outlives the other samples there is one an hour, when the host was online
_LABEL = """
CREATE TABLE base.bundle (
    host VARCHAR, shown_at TIMESTAMP, since TIMESTAMP, until TIMESTAMP, made_at TIMESTAMP, proxmon_version VARCHAR
);
CREATE VIEW bundle AS FROM base.bundle;
"""
_HOST = """
SELECT host_id FROM hosts WHERE host = ? AND created_at <= ?::TIMESTAMP
AND (deleted_at IS NULL OR deleted_at > ?::TIMESTAMP)
"""


class Asked(Protocol):
    """What a bundle asks of a fleet."""

    def sql(self, query: str, parameters: Sequence[object] | None = None, as_: str = "pandas") -> Any:
        """Return all rows."""

    def stream(self, query: str, parameters: Sequence[object] | None = None, as_: str = "pandas") -> Iterator[Any]:
        """Give the rows in parts."""
        ...


@dataclass(frozen=True, slots=True)
class BundleRequest:
    """A host, the moment that its bundle shows, and the span around it."""

    host: str
    at: datetime
    since: datetime
    until: datetime


def write_bundle(fleet: Asked, request: BundleRequest, target: Path) -> int:
    """Write a bundle and return how many samples are in it; the file is its owner's only.

    Raises:
        NotFoundError: there was no such host at that moment.
        StoreUnavailableError: the file cannot be written.
    """
    host_id = _find_host(fleet, request)
    try:
        # A directory of its own hides the file, and DuckDB's log beside it, until all is in it.
        with TemporaryDirectory(prefix=".bundle-", dir=target.parent) as directory:
            part = Path(directory) / target.name
            with closing(duckdb.connect(str(part), config=CONFIG)) as connection:
                samples = _fill(connection, fleet, request, host_id)
            part.chmod(0o600)
            part.replace(target)
    except (duckdb.Error, OSError) as error:
        raise StoreUnavailableError(f"The bundle {target} could not be written: {first_line(error)}.") from error
    return samples


def _find_host(fleet: Asked, request: BundleRequest) -> int:
    at = _text(request.at)
    found = fleet.sql(_HOST, [request.host, at, at], as_="arrow").to_pylist()
    if not found:
        raise NotFoundError(f"Choose a host that was there at {at} UTC: {request.host[:64]} was not.")
    return found[0]["host_id"]


def _fill(connection: DuckDBPyConnection, fleet: Asked, request: BundleRequest, host_id: int) -> int:
    migrate(connection)
    connection.execute(_LABEL)
    since, until = _text(request.since), _text(request.until)
    moments = [to_store(at) for at in (request.at, request.since, request.until, datetime.now(UTC))]
    connection.execute("INSERT INTO base.bundle VALUES (?, ?, ?, ?, ?, ?)", [request.host, *moments, __version__])
    host = "SELECT * REPLACE (CASE WHEN deleted_at < ?::TIMESTAMP THEN deleted_at END AS deleted_at) FROM base.hosts"
    _copy(connection, "hosts", fleet.stream(f"{host} WHERE host_id = ?", [until, host_id], as_="arrow"))
    for name in SAMPLES:
        _copy(connection, name, _stream_samples(fleet, name, host_id, since, until))
    kept = _text(request.since - KEPT_AGE)
    _copy(connection, "kept_samples", _stream(fleet, "kept_samples", "observed_at", [host_id, kept, until]))
    trees = _text(request.since - TREE_AGE)
    _copy(connection, "vdev_samples", _stream(fleet, "vdev_samples", "observed_at", [host_id, trees, until]))
    for name in ROLLUPS:
        _copy(connection, name, _stream(fleet, name, "started_at", [host_id, since, until]))
    for name, moment in HAPPENED.items():
        _copy(connection, name, _stream(fleet, name, moment, [host_id, _text(datetime.min), until]))
    _copy_progress(connection, fleet)
    connection.execute("CHECKPOINT")
    return connection.execute("SELECT count(*) FROM samples").fetchall()[0][0]


def _copy_progress(connection: DuckDBPyConnection, fleet: Asked) -> None:
    """Say what is rolled up and what the store has deleted; otherwise the rest would be taken for a gap."""
    connection.execute("DELETE FROM base.typed_progress")
    connection.execute("DELETE FROM base.rollup_progress")
    for name in ("typed_progress", "rollup_progress", "kept_since"):
        _copy(connection, name, fleet.stream(f"FROM base.{name}", as_="arrow"))


def _stream(fleet: Asked, name: str, moment: str, parameters: Sequence[object]) -> Iterator[Any]:
    sql = f"FROM base.{name} WHERE host_id = $1 AND {moment} >= $2::TIMESTAMP AND {moment} < $3::TIMESTAMP"
    return fleet.stream(sql, parameters, as_="arrow")


def _stream_samples(fleet: Asked, name: str, host_id: int, since: str, until: str) -> Iterator[Any]:
    sql = (
        f"SELECT max(observed_at) AS newest FROM base.{name} WHERE host_id = ? AND observed_at < ?::TIMESTAMP "
        "AND observed_at >= ?::TIMESTAMP - INTERVAL 7 DAY"
    )
    (row,) = fleet.sql(sql, [host_id, since, since], as_="arrow").to_pylist()
    begin = _text(row["newest"]) if row["newest"] else since
    return _stream(fleet, name, "observed_at", [host_id, begin, until])


def _copy(connection: DuckDBPyConnection, name: str, tables: Iterator[Any]) -> None:
    for table in tables:
        connection.register("incoming", table)
        connection.execute(f"INSERT INTO base.{name} BY NAME FROM incoming")
        connection.unregister("incoming")


def _text(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat()
