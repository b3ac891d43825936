"""``proxmon export``, beside a running server and without one."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import proxmon
from proxmon.client.exports import ExportRequest, Format, export
from tests.pasts import BEGIN, KEEP_EVERYTHING, WrittenPast
from tests.servers import Server

HOST = "pve-fra-01"  # the second host of the demo
WHERE = ("beside a running server", "without a server")


@pytest.fixture(scope="module", params=WHERE)
def data(
    request: pytest.FixtureRequest, small_past: WrittenPast, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Give a data directory with three days of two hosts, with a server on it or not."""
    directory = small_past.copied_to(tmp_path_factory.mktemp("exported") / "data")
    if request.param == WHERE[1]:
        yield directory
        return
    server = Server(directory, environment=KEEP_EVERYTHING).start()
    yield directory
    server.stop()


def ask(data: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PROXMON_DATA": str(data)}
    command = [sys.executable, "-m", "proxmon", "export", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)


def test_every_view_is_listed_and_can_be_exported(data: Path) -> None:
    views = ask(data).stdout.decode().split()
    assert {"hosts", "host_samples", "events", "alerts"} <= set(views)
    fleet = proxmon.connect(data)
    for view in views:
        for kind in Format:
            rows = export(fleet, ExportRequest(view), kind, io.BytesIO())
            assert rows == fleet.sql(f"SELECT count(*) AS n FROM {view}")["n"][0], view


def test_a_range_of_a_host_comes_as_parquet(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "load.parquet"
    since, until = BEGIN - pd.Timedelta("3h"), BEGIN - pd.Timedelta("1h")
    span = ("--since", since.isoformat(), "--until", until.isoformat(), "--host", HOST)
    ended = ask(data, "host_samples", str(file), *span)
    assert ended.returncode == 0, ended.stderr
    frame = pq.read_table(file).to_pandas()
    assert set(frame["host"]) == {HOST}
    assert since <= frame["observed_at"].min().tz_localize("UTC") <= frame["observed_at"].max().tz_localize("UTC")
    assert frame["observed_at"].max().tz_localize("UTC") < until
    sql = "SELECT * FROM host_samples WHERE host = $1 AND observed_at >= $2::TIMESTAMP AND observed_at < $3::TIMESTAMP"
    bounds = [at.replace(tzinfo=None).isoformat() for at in (since, until)]
    pd.testing.assert_frame_equal(frame, proxmon.connect(data).sql(sql, [HOST, *bounds]))
    assert b"rows of host_samples" in ended.stderr


def test_standard_output_gets_csv_with_lists_as_json(data: Path) -> None:
    ended = ask(data, "guest_addresses")
    rows = list(csv.DictReader(io.StringIO(ended.stdout.decode())))
    assert rows
    assert any(isinstance(json.loads(row["ips"] or "null"), list) for row in rows)


def test_in_parts_it_is_the_same_rows(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxmon.client.exports.ROWS_OF_QUERY", 100)
    monkeypatch.setattr("proxmon.client.exports.ROW_GROUP_ROWS", 150)
    target, fleet = io.BytesIO(), proxmon.connect(data)
    export(fleet, ExportRequest("zpool_1h"), Format.PARQUET, target)
    file = pq.ParquetFile(target)
    assert file.num_row_groups > 1
    pd.testing.assert_frame_equal(file.read().to_pandas(), fleet.sql("FROM zpool_1h"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("host_secrets",), "host_samples"),
        (("base.hosts",), "host_samples"),
        (("hosts; DROP VIEW hosts",), "host_samples"),
        (("read_text('/etc/hostname')",), "host_samples"),
        (("host_samples", "--host", "nobody"), "nobody"),
        (("silences", "--host", "any"), "--host"),
        (("hosts", "--since", "24h"), "have no time"),
        (("events", "--since", "yesterday-ish"), "2026-11-20"),
        (("events", "--since", "2026-11-21", "--until", "2026-11-20"), "before"),
        (("events", "{folder}/events.xls"), ".parquet or .csv"),
        (("events", "{folder}/there.csv"), "--force"),
        (("events", "{folder}/nowhere/events.csv"), "No such file"),
    ],
)
def test_what_cannot_be_exported_is_said_and_leaves_no_file(
    data: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    ended = ask(data, *(one.replace("{folder}", str(tmp_path)) for one in arguments))
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert says in ended.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_a_file_is_replaced_when_that_is_said(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "hosts.csv"
    file.write_text("old")
    assert ask(data, "hosts", str(file), "--force").returncode == 0
    assert file.read_text().startswith('"host_id","host"')
