"""The files of a host's charts: the same steps as are shown, with all digits."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pandas as pd
import pytest

from dashboards.charts import write_columns
from dashboards.downloads import read_shown, write_file
from proxmon.errors import SampleError
from proxmon.series import SeriesKind, SeriesRequest
from proxmon.seriesrows import SeriesRows
from storage.parquet import write_parquet
from tests.builders import NOW
from tests.dashboards.parts import a_newest, a_series

HOUR = timedelta(hours=1)
SPAN = {"since": str((NOW - HOUR).timestamp()), "until": str(NOW.timestamp())}


def a_request(kind: SeriesKind) -> SeriesRequest:
    return SeriesRequest(1, kind, NOW - HOUR, NOW)


def answers() -> list[tuple[SeriesRequest, SeriesRows]]:
    host, zpool = a_request(SeriesKind.HOST), a_request(SeriesKind.ZPOOL)
    exact = [0.123456789, 2.0, 3.0]
    return [(host, a_series(host, load1=exact)), (zpool, a_series(zpool, "rpool", "=1+1"))]


def read(form: str) -> pd.DataFrame:
    content = io.BytesIO(write_file(answers(), form, write_parquet))
    return pd.read_parquet(content) if form == "parquet" else pd.read_csv(content, parse_dates=["at"])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_has_a_row_for_each_step_and_a_column_for_each_line(form: str) -> None:
    frame = read(form)
    assert list(frame["at"]) == [NOW - timedelta(minutes=minutes) for minutes in (3, 2, 1)]
    assert list(frame["load1"]) == [0.123456789, 2.0, 3.0]
    assert list(frame["load1 max"]) == [0.246913578, 4.0, 6.0]
    assert list(frame["capacity_percent rpool"]) == [1, 1, 1]
    assert "arc_bytes max" not in frame.columns


def test_the_table_has_the_values_of_the_files() -> None:
    answer = json.loads(write_file(answers(), "json", write_parquet))
    file = read("csv")
    assert answer["at"] == [at.timestamp() for at in file["at"]]
    named = {(one["metric"], one["subject"], one["part"]): one["values"] for one in answer["columns"]}
    assert named["load1", "", "mean"] == list(file["load1"]) == [0.123456789, 2.0, 3.0]
    assert named["load1", "", "max"] == list(file["load1 max"])
    assert named["capacity_percent", "=1+1", "min"] == list(file["capacity_percent =1+1 min"])
    assert len(named) == len(file.columns) - 1


def test_what_is_missing_in_the_table_is_null() -> None:
    host, zpool = a_request(SeriesKind.HOST), a_request(SeriesKind.ZPOOL)
    nan = float("nan")
    some = [(host, a_series(host, load1=[nan, 2.0, 3.0])), (zpool, a_series(zpool, "rpool", steps=2))]
    answer = json.loads(write_file(some, "json", write_parquet))
    values = {one["metric"]: one["values"] for one in answer["columns"] if one["part"] == "mean"}
    assert values["load1"] == [None, 2, 3]
    assert values["capacity_percent"] == [None, 1, 1]


def test_steps_of_which_nothing_is_drawn_are_left_out() -> None:
    host, zpool = a_request(SeriesKind.HOST), a_request(SeriesKind.ZPOOL)
    unknown = a_series(zpool, "rpool", steps=5, capacity_percent=[float("nan")] * 5)
    answer = json.loads(write_file([(host, a_series(host)), (zpool, unknown)], "json", write_parquet))
    assert len(answer["at"]) == 3


def test_a_file_has_the_lines_that_are_drawn() -> None:
    request, rows = answers()[0]
    drawn = {line["metric"] for line in json.loads(write_columns(rows, request)[1])["lines"]}
    assert {name.split()[0] for name in read("csv").columns} - {"at", "capacity_percent"} == drawn


def test_no_cell_begins_with_the_sign_of_a_formula() -> None:
    header = write_file(answers(), "csv", write_parquet).decode().splitlines()[0]
    assert "capacity_percent =1+1" in header
    assert not any(name.startswith(("=", "+", "-", "@")) for name in header.split(","))


def test_nothing_shown_is_a_file_without_rows() -> None:
    request = a_request(SeriesKind.HOST)
    assert write_file([(request, a_series(request, steps=0))], "csv", write_parquet) == b"at\r\n"
    assert json.loads(write_file([(request, a_series(request, steps=0))], "json", write_parquet))["at"] == []


def test_a_file_asks_for_what_its_chart_asked_for() -> None:
    host, zpool = read_shown("host:400,zpool:200", SPAN, a_newest())
    assert host == SeriesRequest(1, SeriesKind.HOST, NOW - HOUR, NOW, points=400)
    assert (zpool.kind, zpool.points) == (SeriesKind.ZPOOL, 200)


@pytest.mark.parametrize("shown", ["", "host", "secrets:400", "host:many", "host:1:2"])
@pytest.mark.parametrize("span", [SPAN, {"since": "yesterday", "until": "1e400"}])
def test_what_cannot_be_understood_says_what_to_send(shown: str, span: dict[str, str]) -> None:
    with pytest.raises(SampleError, match="as show the kinds"):
        read_shown(shown, span, a_newest())
