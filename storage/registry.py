"""The hosts of the fleet and what happened to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from proxmon.errors import ConflictError, NotFoundError
from proxmon.fleet import Host
from proxmon.scrubs import KNOWN_SCRUBS, MOST_POOLS, FinishedScrub, Scrubs
from storage.moments import from_store, to_store

_HOSTS_AT = """
SELECT host_id, host, created_at FROM base.hosts
WHERE created_at <= $1 AND (deleted_at IS NULL OR deleted_at > $1)
"""
_LIVE_HOSTS = "SELECT host_id, host, created_at FROM base.hosts WHERE deleted_at IS NULL"
_EVENTS = """
SELECT host_id, max(happened_at) FILTER (kind = 'goodbye'), max(happened_at) FILTER (kind = 'rotated'),
    arg_max_null(detail, happened_at) FILTER (kind = 'goodbye')
FROM base.host_events WHERE happened_at <= coalesce($1, 'infinity'::TIMESTAMP) GROUP BY host_id
"""
_DELETE_HISTORY = (
    "DELETE FROM base.fast_samples WHERE host_id = ?",
    "DELETE FROM base.kept_samples WHERE host_id = ?",
    "DELETE FROM base.medium_samples WHERE host_id = ?",
    "DELETE FROM base.slow_samples WHERE host_id = ?",
    "DELETE FROM base.host_samples WHERE host_id = ?",
    "DELETE FROM base.zpool_samples WHERE host_id = ?",
    "DELETE FROM base.vdev_samples WHERE host_id = ?",
    "DELETE FROM base.storage_samples WHERE host_id = ?",
    "DELETE FROM base.guest_samples WHERE host_id = ?",
    "DELETE FROM base.dataset_samples WHERE host_id = ?",
    "DELETE FROM base.guest_addresses WHERE host_id = ?",
    "DELETE FROM base.system_samples WHERE host_id = ?",
    "DELETE FROM base.section_errors WHERE host_id = ?",
    "DELETE FROM base.host_1m WHERE host_id = ?",
    "DELETE FROM base.host_1h WHERE host_id = ?",
    "DELETE FROM base.zpool_1m WHERE host_id = ?",
    "DELETE FROM base.zpool_1h WHERE host_id = ?",
    "DELETE FROM base.storage_1m WHERE host_id = ?",
    "DELETE FROM base.storage_1h WHERE host_id = ?",
    "DELETE FROM base.guest_1m WHERE host_id = ?",
    "DELETE FROM base.guest_1h WHERE host_id = ?",
    "DELETE FROM base.zpool_scrubs WHERE host_id = ?",
    "DELETE FROM base.alert_events WHERE host_id = ?",
    "DELETE FROM base.host_events WHERE host_id = ?",
    "DELETE FROM base.events WHERE host_id = ?",
    "DELETE FROM base.hosts WHERE host_id = ?",
)


@dataclass(frozen=True, slots=True)
class HostMoments:
    """When a host last said goodbye, and why, and when its token was last rotated."""

    left_at: datetime | None = None
    rotated_at: datetime | None = None
    left_reason: str | None = None


def list_hosts(cursor: DuckDBPyConnection, at: datetime | None) -> list[Host]:
    """List the hosts that exist, or existed at a moment."""
    rows = cursor.execute(_LIVE_HOSTS) if at is None else cursor.execute(_HOSTS_AT, [to_store(at)])
    return [Host(host_id, name, from_store(created)) for host_id, name, created in rows.fetchall()]


def list_moments(cursor: DuckDBPyConnection, at: datetime | None) -> dict[int, HostMoments]:
    """Return what happened to each host, up to a moment; a host to which nothing happened is missing."""
    rows = cursor.execute(_EVENTS, [at and to_store(at)]).fetchall()
    return {
        host_id: HostMoments(left and from_store(left), rotated and from_store(rotated), reason)
        for host_id, left, rotated, reason in rows
    }


def insert_host(connection: DuckDBPyConnection, name: str, at: datetime) -> Host:
    """Insert a host and give it an id; raises ConflictError when a host has that name."""
    taken = "SELECT 1 FROM base.hosts WHERE host = ? AND deleted_at IS NULL"
    if connection.execute(taken, [name]).fetchone():
        raise ConflictError(f"There is a host {name} already: choose another name.")
    insert = "INSERT INTO base.hosts VALUES (nextval('base.host_ids'), ?, ?, NULL) RETURNING host_id"
    row = connection.execute(insert, [name, to_store(at)]).fetchone()
    assert row is not None
    insert_event(connection, row[0], at, "added")
    return Host(row[0], name, at)


def insert_event(
    connection: DuckDBPyConnection, host_id: int, at: datetime, kind: str, detail: str | None = None
) -> None:
    """Write down what happened to a host; raises NotFoundError when it does not exist."""
    if not connection.execute(
        "SELECT 1 FROM base.hosts WHERE host_id = ? AND deleted_at IS NULL", [host_id]
    ).fetchone():
        raise NotFoundError("The host does not exist: it may have been deleted.")
    connection.execute("INSERT INTO base.host_events VALUES (?, ?, ?, ?)", [host_id, to_store(at), kind, detail])


def mark_deleted(connection: DuckDBPyConnection, host_id: int, at: datetime) -> None:
    """Delete a host and keep its history; raises NotFoundError when it does not exist."""
    insert_event(connection, host_id, at, "deleted")
    connection.execute("UPDATE base.hosts SET deleted_at = ? WHERE host_id = ?", [to_store(at), host_id])


def delete_rows(connection: DuckDBPyConnection, host_id: int) -> None:
    """Delete a host and all of its rows."""
    for statement in _DELETE_HISTORY:
        connection.execute(statement, [host_id])


def list_scrubs(cursor: DuckDBPyConnection, at: datetime, known_at: datetime) -> Mapping[int, Scrubs]:
    """Return by host the last finished scrubs that were told of until a moment, and known at another."""
    query = """
    WITH told AS (
        SELECT host_id, pool, ended_at, max(duration_seconds) AS seconds FROM base.zpool_scrubs
        WHERE observed_at <= $1 AND coalesce(received_at, observed_at) <= $2 GROUP BY host_id, pool, ended_at
    ), pools AS (
        SELECT host_id, pool FROM told GROUP BY host_id, pool
        QUALIFY row_number() OVER (PARTITION BY host_id ORDER BY max(ended_at) DESC, pool) <= $3
    )
    SELECT host_id, pool, ended_at, seconds FROM told SEMI JOIN pools USING (host_id, pool)
    QUALIFY row_number() OVER (PARTITION BY host_id, pool ORDER BY ended_at DESC) <= $4 ORDER BY ended_at DESC
    """
    scrubs: dict[int, dict[str, tuple[FinishedScrub, ...]]] = {}
    rows = cursor.execute(query, [to_store(at), to_store(known_at), MOST_POOLS, KNOWN_SCRUBS]).fetchall()
    for host_id, pool, ended_at, seconds in rows:
        known = scrubs.setdefault(host_id, {})
        known[pool] = (*known.get(pool, ()), FinishedScrub(from_store(ended_at), seconds))
    return scrubs
