"""What a host's charts show as a file, or as the page's table: the exact values of the same steps."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pandas as pd
from tornado.web import RequestHandler

from dashboards.charts import chosen, line_columns, read_request
from dashboards.formats import unix
from dashboards.newest import Newest
from proxmon.context import Monitor
from proxmon.errors import NotFoundError, SampleError
from proxmon.handlers.hosts import ReaderHandler
from proxmon.series import SeriesKind, SeriesRequest

TYPES = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json; charset=utf-8",
}
Frames = list[tuple[SeriesRequest, Any]]


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
        frames = [(request, await self._read(request)) for request in requests]
        content = await asyncio.to_thread(write_file, frames, form, self.monitor.parquet)
        self.set_header("Content-Type", TYPES[form])
        if form != "json":
            self.set_header("Content-Disposition", f'attachment; filename="{name}-{requests[0].until:%Y-%m-%d}.{form}"')
        self.finish(content)

    async def _read(self, request: SeriesRequest) -> Any:
        frame = await self.monitor.series(request)
        return chosen(frame, self.get_query_argument("guest", "")) if request.kind is SeriesKind.GUEST else frame


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


def write_file(frames: Frames, form: str, parquet: Any) -> bytes:
    """Return the file's bytes; ``parquet`` writes a DataFrame as such."""
    if form == "json":
        return write_json(frames)
    frame = wide_frame(frames)
    if form == "parquet":
        return parquet(frame)
    return frame.to_csv(index=False, lineterminator="\r\n", date_format="%Y-%m-%dT%H:%M:%SZ").encode()


def write_json(frames: Frames) -> bytes:
    """Return ``at`` (Unix seconds) and a column for each line and part, whose values are null where there are none."""
    wide = _joined(frames)
    columns = [
        {"metric": metric, "subject": subject, "part": part, "values": [_or_none(value) for value in wide[key]]}
        for key in wide.columns
        for metric, subject, part in [key]
    ]
    return json.dumps({"at": [unix(at) for at in wide.index], "columns": columns}, separators=(",", ":")).encode()


def wide_frame(frames: Frames) -> Any:
    """Return one row a step: ``at`` (UTC) and, for each line, its means and where they are drawn its extremes.

    A column is named by metric, subject and part, such as ``capacity_percent rpool`` or ``load1 max``.
    """
    wide = _joined(frames)
    wide.columns = [
        " ".join(word for word in (metric, subject, "" if part == "mean" else part) if word)
        for metric, subject, part in wide.columns
    ]
    wide.insert(0, "at", wide.index)
    return wide


def _joined(frames: Frames) -> Any:
    """Return all lines by time; a column is (metric, subject, part)."""
    columns = {
        (metric, subject, part): values
        for request, frame in frames
        if not frame.empty
        for metric, subject, parts in line_columns(frame, request.kind)
        for part, values in parts.items()
    }
    wide = pd.DataFrame(dict(enumerate(columns.values())), index=None if columns else pd.to_datetime([], utc=True))
    wide.columns = pd.Index(list(columns), tupleize_cols=False)
    return wide.sort_index()


def _or_none(value: float) -> float | None:
    return None if pd.isna(value) or math.isinf(value) else float(value)


def list_download_routes(monitor: Monitor) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """List the routes of files."""
    root = monitor.settings.root
    return [(rf"{root}/hosts/([^/]+)/values\.(csv|parquet|json)", ValuesHandler, {"monitor": monitor})]
