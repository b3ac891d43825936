"""Writes each day that is over as Parquet files, once: for heavy work offline, and to keep what the store deletes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from proxmon.client.exports import Asked, ExportRequest, Format, export
from proxmon.errors import StoreUnavailableError

DAY = timedelta(days=1)
# Agents that could not reach the server send what they kept: a day is sealed some hours after its end.
GRACE = timedelta(hours=6)
# What grows with time and is never changed afterwards, and which column says when a row was so.
SAMPLES = (
    *("samples", "host_samples", "zpool_samples", "vdev_samples", "storage_samples", "guest_samples"),
    *("dataset_samples", "guest_addresses", "system_samples", "section_errors"),
)
ROLLUPS = ("host_1m", "host_1h", "zpool_1m", "zpool_1h", "storage_1m", "storage_1h", "guest_1m", "guest_1h")
MOMENTS = (
    dict.fromkeys(SAMPLES, "observed_at")
    | dict.fromkeys(ROLLUPS, "started_at")
    | {"events": "happened_at", "alert_events": "happened_at"}
)
_KEPT_SINCE = "SELECT max(kept_since) AS since FROM base.kept_since WHERE table_name = ?"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file that was written: a view's rows of one day."""

    path: Path
    view: str
    day: date
    rows: int


def seal(fleet: Asked, directory: Path, now: datetime) -> Iterator[Sealed]:
    """Write ``VIEW/date=2026-11-20/VIEW.parquet`` for every day that is over and has no file yet.

    A file appears when all is in it and is never touched again. A day of which the store has deleted rows already is
    left out, and so are rows that come after their day was sealed.

    Raises:
        StoreUnavailableError: a file cannot be written. QueryError: a query failed.
    """
    for view, moment in MOMENTS.items():
        for day in _due(fleet, view, moment, directory, now):
            path = _path(directory, view, day)
            begin = datetime.combine(day, datetime.min.time(), UTC)
            yield Sealed(path, view, day, _write(fleet, ExportRequest(view, begin, begin + DAY), path))


def _due(fleet: Asked, view: str, moment: str, directory: Path, now: datetime) -> list[date]:
    (kept,) = fleet.sql(_KEPT_SINCE, ["fast_samples" if view == "samples" else view], as_="arrow").to_pylist()
    since, until = kept["since"] or datetime.min, (now.astimezone(UTC) - GRACE).date()
    within = f"{moment} >= ?::TIMESTAMP AND {moment} < ?::TIMESTAMP"
    sql = f"SELECT DISTINCT {moment}::DATE AS day FROM {view} WHERE {within}"  # noqa: S608 - names of our own
    days = [row["day"] for row in fleet.sql(sql, [since.isoformat(), until.isoformat()], as_="arrow").to_pylist()]
    is_whole = datetime.min.time() == since.time()
    return sorted(day for day in days if (is_whole or day > since.date()) and not _path(directory, view, day).exists())


def _path(directory: Path, view: str, day: date) -> Path:
    return directory / view / f"date={day}" / f"{view}.parquet"


def _write(fleet: Asked, request: ExportRequest, path: Path) -> int:
    # Readers take every *.parquet: what is not whole yet must not look like one.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with part.open("wb") as target:
            rows = export(fleet, request, Format.PARQUET, target)
            target.flush()
            os.fsync(target.fileno())
        part.chmod(0o400)
        part.rename(path)
    except OSError as error:
        raise StoreUnavailableError(f"The file {path} could not be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return rows
