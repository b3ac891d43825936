"""The sample tables as Arrow schemas, and how rows are appended to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from proxmon.payload import Tier
from storage.arrow import pa

Row = tuple[Any, ...]  # values as they came in JSON, in the order of a table's columns

_ID, _AT, _BIG, _REAL, _TEXT, _FLAG = pa.int32(), pa.timestamp("us"), pa.int64(), pa.float64(), pa.string(), pa.bool_()
_TEXTS = pa.list_(pa.string())
_AMOUNT = pa.float64()  # as it is read; the column is BIGINT, and DuckDB rounds faster than Python
_WHEN = {"host_id": _ID, "observed_at": _AT}


@dataclass(frozen=True, slots=True)
class Table:
    """A table that rows are appended to; ``insert`` reads the view ``incoming``."""

    name: str
    insert: str
    schema: Any

    def append(self, connection: DuckDBPyConnection, rows: Sequence[Row]) -> None:
        """Append rows, whose values stand in the order of the table's columns; nothing happens without rows."""
        if not rows:
            return
        # zip(*rows) turns rows into columns; pyarrow checks each value against the column's type.
        columns = [
            pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), self.schema.types, strict=True)
        ]
        self.append_columns(connection, pa.Table.from_arrays(columns, schema=self.schema))

    def append_columns(self, connection: DuckDBPyConnection, columns: Any) -> None:
        """Append the rows of an Arrow table with these columns."""
        connection.register("incoming", columns)
        try:
            connection.execute(self.insert)
        finally:
            connection.unregister("incoming")


def _table(name: str, insert: str, columns: dict[str, Any]) -> Table:
    return Table(name, insert, pa.schema(list(columns.items())))


_SAMPLE = {
    "sample_id": _BIG,
    "host_id": _ID,
    "collected_at": _AT,
    "received_at": _AT,
    "observed_at": _AT,
    "interval_seconds": _REAL,
    "clock_offset_seconds": _REAL,
    "agent_version": _TEXT,
    "payload": _TEXT,
}
SAMPLE_TABLES: dict[Tier, Table] = {
    Tier.FAST: _table("fast_samples", "INSERT INTO base.fast_samples BY NAME FROM incoming", _SAMPLE),
    Tier.MEDIUM: _table("medium_samples", "INSERT INTO base.medium_samples BY NAME FROM incoming", _SAMPLE),
    Tier.SLOW: _table("slow_samples", "INSERT INTO base.slow_samples BY NAME FROM incoming", _SAMPLE),
}

HOST_SAMPLES = _table(
    "host_samples",
    "INSERT INTO base.host_samples BY NAME FROM incoming",
    _WHEN
    | {"collected_at": _AT, "load1": _REAL, "load5": _REAL, "load15": _REAL, "cpu_percent": _REAL}
    | {"mem_used_bytes": _AMOUNT, "mem_total_bytes": _AMOUNT, "arc_bytes": _AMOUNT, "uptime_seconds": _AMOUNT}
    | {"received_at": _AT},
)
ZPOOL_SAMPLES = _table(
    "zpool_samples",
    "INSERT INTO base.zpool_samples BY NAME FROM incoming",
    _WHEN
    | {"pool": _TEXT, "health": _TEXT, "capacity_percent": _REAL, "fragmentation_percent": _REAL}
    | {"size_bytes": _AMOUNT, "alloc_bytes": _AMOUNT, "free_bytes": _AMOUNT}
    | {"error_count": _BIG, "data_error_count": _BIG, "vdev_count": _BIG, "degraded_vdev_count": _BIG}
    | {"redundancy_left": _BIG, "last_scrub_ended_at": _AT}
    | {"scan_function": _TEXT, "scan_state": _TEXT, "scan_percent": _REAL, "scan_errors": _BIG, "scan_ended_at": _AT}
    | {"rebuild_count": _BIG},
)
VDEV_SAMPLES = _table(
    "vdev_samples",
    "INSERT INTO base.vdev_samples BY NAME FROM incoming",
    _WHEN
    | {"pool": _TEXT, "position": _ID, "depth": _ID, "name": _TEXT, "kind": _TEXT, "class": _TEXT, "state": _TEXT}
    | {"read_errors": _BIG, "write_errors": _BIG, "checksum_errors": _BIG, "was": _TEXT},
)
STORAGE_SAMPLES = _table(
    "storage_samples",
    "INSERT INTO base.storage_samples BY NAME FROM incoming",
    _WHEN | {"storage": _TEXT, "type": _TEXT, "used_bytes": _AMOUNT, "total_bytes": _AMOUNT, "active": _FLAG},
)
GUEST_SAMPLES = _table(
    "guest_samples",
    "INSERT INTO base.guest_samples BY NAME FROM incoming",
    _WHEN
    | {"vmid": _BIG, "type": _TEXT, "name": _TEXT, "run_state": _TEXT, "cpu_percent": _REAL, "mem_bytes": _AMOUNT}
    | {"maxmem_bytes": _AMOUNT, "uptime_seconds": _AMOUNT, "tags": _TEXTS, "lock": _TEXT, "template": _FLAG},
)
DATASET_SAMPLES = _table(
    "dataset_samples",
    "INSERT INTO base.dataset_samples BY NAME FROM incoming",
    _WHEN
    | {"dataset": _TEXT, "used_bytes": _AMOUNT, "avail_bytes": _AMOUNT, "snapshot_count": _BIG}
    | {"newest_snapshot_at": _AT, "oldest_snapshot_at": _AT},
)
GUEST_ADDRESSES = _table(
    "guest_addresses",
    "INSERT INTO base.guest_addresses BY NAME FROM incoming",
    _WHEN | {"vmid": _BIG, "type": _TEXT, "name": _TEXT, "ips": _TEXTS, "macs": _TEXTS},
)
SYSTEM_SAMPLES = _table(
    "system_samples",
    "INSERT INTO base.system_samples BY NAME FROM incoming",
    _WHEN
    | {"pve_version": _TEXT, "zfs_version": _TEXT, "kernel": _TEXT, "pending_updates": _BIG}
    | {"security_updates": _BIG, "reboot_required": _FLAG, "node": _TEXT, "cluster": _TEXT},
)
SECTION_ERRORS = _table(
    "section_errors",
    "INSERT INTO base.section_errors BY NAME FROM incoming",
    _WHEN | {"tier": _TEXT, "section": _TEXT, "error": _TEXT, "incomplete": _TEXT},
)
ZPOOL_SCRUBS = _table(
    "zpool_scrubs",
    "INSERT INTO base.zpool_scrubs BY NAME FROM incoming",
    {"host_id": _ID, "pool": _TEXT, "duration_seconds": _REAL, "ended_at": _AT, "observed_at": _AT, "received_at": _AT},
)
TYPED_TABLES: tuple[Table, ...] = (
    HOST_SAMPLES,
    ZPOOL_SAMPLES,
    VDEV_SAMPLES,
    STORAGE_SAMPLES,
    GUEST_SAMPLES,
    DATASET_SAMPLES,
    GUEST_ADDRESSES,
    SYSTEM_SAMPLES,
    SECTION_ERRORS,
)
