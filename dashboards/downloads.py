"""What a host's charts show as a file, or as the page's table: the exact values of the same steps."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from tornado.web import RequestHandler

from dashboards.charts import chosen, line_columns, read_request
from dashboards.newest import Newest
from proxmon.context import Monitor
from proxmon.errors import NotFoundError, SampleError
from proxmon.handlers.hosts import ReaderHandler
from proxmon.series import SeriesKind, SeriesRequest
from proxmon.seriesrows import SeriesRows, Times, Values, seconds, spread

TYPES = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json; charset=utf-8",
}
Answers = list[tuple[SeriesRequest, SeriesRows]]
Key = tuple[str, str, str]  # metric, subject and part
WriteParquet = Callable[[Times, Mapping[str, Values]], bytes]


class ValuesHandler(ReaderHandler):
    """``GET /hosts/NAME/values.csv?since=&until=&show=host:400,zpool:400``: Unix seconds, and kinds with most steps."""

    async def get(self, name: str, form: str) -> None:
        """Answer the file."""
        judged = self.monitor.board.find_named(name)
        if judged is None:
            raise NotFoundError("Choose one of the hosts that GET /api/hosts lists: this is none.")
        newest = Newest(judged, self.monitor.board.rules, self.monitor.clock())
        span = {one: self.get_query_argument(one, "") for one in ("since", "until")}
        requests = read_shown(self.get_query_argument("show", ""), span, newest)
        answers = [(request, await self._read(request)) for request in requests]
        content = await asyncio.to_thread(write_file, answers, form, self.monitor.parquet)
        self.set_header("Content-Type", TYPES[form])
        if form != "json":
            self.set_header("Content-Disposition", f'attachment; filename="{name}-{requests[0].until:%Y-%m-%d}.{form}"')
        self.finish(content)

    async def _read(self, request: SeriesRequest) -> SeriesRows:
        rows = await self.monitor.series(request)
        return chosen(rows, self.get_query_argument("guest", "")) if request.kind is SeriesKind.GUEST else rows


def read_shown(shown: str, span: dict[str, str], newest: Newest) -> list[SeriesRequest]:
    """Return what to ask the store for each kind that is shown. Raises SampleError."""
    try:
        moments = {name: float(text) for name, text in span.items()}
        pairs = [word.split(":") for word in shown.split(",")[: len(SeriesKind)]]
        return [read_request({"kind": kind, "points": int(points), **moments}, newest) for kind, points in pairs]
    except (ValueError, OverflowError, OSError) as error:
        raise SampleError(
            "Send since and until as Unix seconds, and as show the kinds with their most steps, such as "
            "host:400,zpool:400,storage:400,guest:400."
        ) from error


def write_file(answers: Answers, form: str, parquet: WriteParquet) -> bytes:
    """Return the file's bytes: ``at`` (UTC), and for each line its means and, where they are drawn, its extremes.

    A column is named by metric, subject and part, such as ``capacity_percent rpool`` or ``load1 max``.
    """
    steps, columns = join(answers)
    if form == "json":
        return write_json(steps, columns)
    named = {" ".join(word for word in key if word not in ("", "mean")): values for key, values in columns.items()}
    return parquet(steps, named) if form == "parquet" else write_csv(steps, named)


def write_csv(steps: Times, columns: Mapping[str, Values]) -> bytes:
    """Return a row a step; what is not known is an empty cell."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["at", *columns])
    moments = [f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" for at in seconds(steps)]
    cells = [["" if np.isnan(value) else value for value in values.tolist()] for values in columns.values()]
    writer.writerows(zip(moments, *cells, strict=True))
    return file.getvalue().encode()


def write_json(steps: Times, columns: Mapping[Key, Values]) -> bytes:
    """Return ``at`` (Unix seconds) and a column for each line and part, whose values are null where there are none."""
    listed = [
        {"metric": metric, "subject": subject, "part": part, "values": [_or_none(value) for value in values.tolist()]}
        for (metric, subject, part), values in columns.items()
    ]
    at = [round(moment, 1) for moment in seconds(steps)]
    return json.dumps({"at": at, "columns": listed}, separators=(",", ":")).encode()


def join(answers: Answers) -> tuple[Times, dict[Key, Values]]:
    """Return the lines that are drawn over the steps of all of them, in order."""
    lines = [
        ((metric, subject, part), at, values)
        for request, rows in answers
        for at in [np.unique(rows.at)]
        for metric, subject, parts in line_columns(rows, request.kind)
        for part, values in parts.items()
    ]
    steps = np.unique(np.concatenate([np.array([], "datetime64[us]"), *(at for _, at, _ in lines)]))
    return steps, {key: spread(steps, at, values) for key, at, values in lines}


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def list_download_routes(monitor: Monitor) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """List the routes of files."""
    root = monitor.settings.root
    return [(rf"{root}/hosts/([^/]+)/values\.(csv|parquet|json)", ValuesHandler, {"monitor": monitor})]
