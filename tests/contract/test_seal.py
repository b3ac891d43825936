"""``proxmon seal`` writes each day once, and DuckDB and polars read the days without us."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

import proxmon
from proxmon.client.seals import MOMENTS, Sealed, seal
from proxmon.config import RetentionSettings
from proxmon.errors import StoreUnavailableError
from storage import Store
from tests.contract.test_cli import proxmon as command
from tests.pasts import BEGIN, WrittenPast

YESTERDAY = BEGIN.date() - timedelta(days=1)


@pytest.fixture(scope="module")
def data(small_past: WrittenPast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data directory with three days of two hosts, the last of which goes on."""
    return small_past.copied_to(tmp_path_factory.mktemp("sealed") / "data")


@pytest.fixture(scope="module")
def days(data: Path) -> Path:
    """Give the directory of its sealed days."""
    seal_all(data, data / "parquet")
    return data / "parquet"


def seal_all(data: Path, directory: Path, now: datetime = BEGIN) -> list[Sealed]:
    """Seal what is due at a moment."""
    fleet = proxmon.connect(data)
    with fleet.hold():
        return list(seal(fleet, directory, now))


def test_the_days_that_are_over_are_sealed_and_no_other(data: Path, days: Path) -> None:
    found = {path.parent.name for path in days.glob("host_samples/*/host_samples.parquet")}
    assert found == {f"date={YESTERDAY - timedelta(days=before)}" for before in range(3)}
    sql = "SELECT count(*) AS n FROM host_samples WHERE observed_at >= $1 AND observed_at < $2"
    bounds = [datetime.combine(day, datetime.min.time()) for day in (YESTERDAY, BEGIN.date())]
    (expected,) = proxmon.connect(data).sql(sql, [at.isoformat() for at in bounds])["n"]
    rows = pl.read_parquet(days / "host_samples" / f"date={YESTERDAY}" / "host_samples.parquet")
    assert len(rows) == expected > 0


def test_duckdb_and_polars_read_all_days_as_one_table(data: Path, days: Path) -> None:
    files = str(days / "zpool_1h" / "*" / "*.parquet")
    sql = f"SELECT date, count(*) FROM read_parquet('{files}', hive_partitioning = true) GROUP BY date ORDER BY date"
    counted = duckdb.sql(sql).fetchall()
    frame = pl.scan_parquet(files, hive_partitioning=True).group_by("date").len().sort("date").collect()
    assert [tuple(row) for row in frame.rows()] == counted
    assert len(counted) == 3


def test_a_sealed_day_is_never_touched_again(data: Path, days: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in days.rglob("*.parquet")}
    assert seal_all(data, days) == []
    assert {path: path.stat().st_mtime_ns for path in days.rglob("*") if path.is_file()} == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in before} == {0o400}


def test_the_day_that_has_just_ended_waits_for_late_samples(data: Path, tmp_path: Path) -> None:
    midnight = datetime.combine(BEGIN.date(), datetime.min.time(), UTC)
    for hours, newest in ((5, YESTERDAY - timedelta(days=1)), (6, YESTERDAY)):
        sealed = seal_all(data, tmp_path / str(hours), midnight + timedelta(hours=hours))
        assert max(one.day for one in sealed if one.view == "host_1h") == newest


def test_a_day_of_which_rows_are_gone_is_not_sealed(small_past: WrittenPast, tmp_path: Path) -> None:
    data = small_past.copied_to(tmp_path / "data")
    store = Store.open(data, retention=RetentionSettings(guest_row_days=2.5))
    store.keep_up(BEGIN)
    store.close()
    sealed = seal_all(data, tmp_path / "days")
    assert {one.day for one in sealed if one.view == "guest_samples"} == {YESTERDAY}
    assert len({one.day for one in sealed if one.view == "host_samples"}) == 3


def test_every_view_of_what_happened_is_sealed(data: Path, days: Path) -> None:
    views = proxmon.connect(data).sql(
        "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = 'main' "
        "AND column_name IN ('observed_at', 'started_at', 'happened_at')"
    )["table_name"]
    # Changed later, or found in another view as well.
    assert set(views) - {"zpool_scrubs", "host_events"} == set(MOMENTS)


def test_the_command_says_what_it_wrote(data: Path, tmp_path: Path) -> None:
    ended = command("seal", str(tmp_path / "days"), data=data)
    assert (ended.returncode, "new files in" in ended.stderr) == (0, True), ended.stderr
    assert str(tmp_path / "days" / "host_1h" / f"date={YESTERDAY}" / "host_1h.parquet") in ended.stdout.splitlines()
    nowhere = command("seal", data=tmp_path / "nowhere")
    assert (nowhere.returncode, "nowhere" in nowhere.stderr) == (1, True)


def test_what_cannot_be_written_is_said_and_leaves_no_part(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreUnavailableError, match="could not be written"):
        seal_all(data, tmp_path / "file")
