"""The charts of a host's page: what the browser may ask of the past, and the answer in columns."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from dashboards.components import Message
from dashboards.formats import share, unix
from dashboards.newest import Newest
from proxmon.errors import ProxmonError
from proxmon.guests import list_guests
from proxmon.payload import Tier
from proxmon.series import SeriesKind, SeriesRequest
from proxmon.seriesrows import SeriesRows, Values, seconds, spread

log = logging.getLogger(__name__)

ReadSeries = Callable[[SeriesRequest], Awaitable[SeriesRows]]
Parts = dict[str, Values]
Line = tuple[str, str]

# A chart is some hundred pixels wide: more points than these would be drawn over each other.
FEWEST_POINTS, MOST_POINTS = 60, 600
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=3660)
# More lines than these cannot be told apart by their colour; the largest are shown.
MOST_LINES = 6
SHOWN: dict[SeriesKind, tuple[str, ...]] = {
    SeriesKind.HOST: ("load1", "cpu_percent", "mem_used_bytes", "arc_bytes", "mem_total_bytes"),
    SeriesKind.ZPOOL: ("capacity_percent",),
    SeriesKind.STORAGE: ("used_percent",),
    SeriesKind.GUEST: ("cpu_percent", "mem_bytes"),
}
# The least and the most of a step are drawn where they do not bury other lines.
HAS_BAND = {
    SeriesKind.HOST: frozenset({"load1", "cpu_percent", "mem_used_bytes"}),
    SeriesKind.ZPOOL: frozenset({"capacity_percent"}),
}


@dataclass(slots=True)
class Charts:
    """The charts of one open page: answers what they ask, and knows which lines they show."""

    read_series: ReadSeries
    lines: dict[SeriesKind, list[Line]] = field(default_factory=dict[SeriesKind, list[Line]])
    _told: datetime | None = None

    async def answer(self, wish: Message, newest: Newest) -> Message:
        """Return the history that the browser asks for, or in words why there is none."""
        head = {"to": "charts", "kind": str(wish.get("kind"))[:20], "id": wish.get("id")}
        try:
            request = read_request(wish, newest)
            rows = chosen(await self.read_series(request), str(wish.get("subject") or ""))
            lines, text = await asyncio.to_thread(write_columns, rows, request)
        except ProxmonError as error:
            return head | {"failed": str(error)}
        except Exception:  # the chart must not be left waiting
            log.exception("The history of a host could not be read")
            return head | {"failed": "The history could not be read; the server's log says why."}
        self.lines[request.kind] = lines
        is_guests = request.kind is SeriesKind.GUEST
        return head | {"columns": text, "names": guest_names(newest) if is_guests else {}}

    def follow(self, newest: Newest) -> Iterator[Message]:
        """Give the values of a fast sample that is new, in the order of the lines that the browser shows."""
        sample = newest.sample(Tier.FAST)
        if not self.lines or sample is None or self._told == sample.observed_at:
            return
        self._told = sample.observed_at
        values = newest_values(newest)
        shown = {kind.value: [values.get((kind, *line)) for line in lines] for kind, lines in self.lines.items()}
        yield {"to": "charts", "point": {"at": unix(sample.observed_at), "values": shown}}


def read_request(wish: Message, newest: Newest) -> SeriesRequest:
    """Return what to ask the store.

    Raises:
        ValueError, TypeError, KeyError: the browser's message has not the form that our module sends.
    """
    since, until = read_span(wish, newest.now)
    return SeriesRequest(
        host_id=newest.judged.id,
        kind=SeriesKind(wish["kind"]),
        since=since,
        until=until,
        points=int(min(max(wish.get("points", MOST_POINTS), FEWEST_POINTS), MOST_POINTS)),
    )


def read_span(wish: Message, now: datetime) -> tuple[datetime, datetime]:
    """Return the span that is asked for, within bounds; without an end it ends now, the moment that the page shows.

    Raises:
        ValueError, TypeError, KeyError: the browser's message has not the form that our module sends.
    """
    now = _moment(now.timestamp())
    until = min(_moment(wish["until"]), now) if wish.get("until") is not None else now
    since = _moment(wish["since"]) if wish.get("since") is not None else until - timedelta(seconds=wish["seconds"])
    return until - min(max(until - since, SHORTEST), LONGEST), until


def _moment(seconds: float) -> datetime:
    # To the millisecond: a span that is asked for again, for a file, must be as long as the browser took it to be.
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def write_columns(rows: SeriesRows, request: SeriesRequest) -> tuple[list[Line], str]:
    """Return the lines of the answer and the answer itself as JSON: one list a column, over one list of times."""
    columns = [_column(*line) for line in line_columns(rows, request.kind)]
    answer = {
        "since": request.since.timestamp(),
        "until": request.until.timestamp(),
        "resolution": rows.resolution_seconds,
        "at": [round(at) for at in seconds(np.unique(rows.at))],
        "lines": columns,
    }
    return [(one["metric"], one["subject"]) for one in columns], json.dumps(answer, separators=(",", ":"))


def _means(rows: SeriesRows, metric: str) -> Values:
    if metric != "used_percent":
        return rows.values[f"{metric}_mean"]
    used, total = rows.values["used_bytes_mean"], rows.values["total_bytes_mean"]
    return np.divide(100 * used, total, out=np.full(len(rows), np.nan), where=total > 0)


def line_columns(rows: SeriesRows, kind: SeriesKind) -> Iterator[tuple[str, str, Parts]]:
    """Give metric and subject of each line that is drawn, and its parts over the steps, of shape (steps,).

    The steps are those of all rows, in order; the parts are ``mean``, also ``min`` and ``max``.
    """
    steps = np.unique(rows.at)
    for metric in SHOWN[kind]:
        parts = {"mean": _means(rows, metric)}
        if metric in HAS_BAND.get(kind, ()):
            parts |= {part: rows.values[f"{metric}_{part}"] for part in ("min", "max")}
        for subject in _largest(rows, parts["mean"]):
            own = rows.subjects == subject
            yield metric, subject, {part: spread(steps, rows.at[own], all_[own]) for part, all_ in parts.items()}


def _column(metric: str, subject: str, parts: Parts) -> Message:
    line: Message = {"metric": metric, "subject": subject}
    line |= {part: significant(values) for part, values in parts.items()}
    if line.get("min") == line["mean"] == line.get("max"):
        del line["min"], line["max"]
    return line


def _largest(rows: SeriesRows, means: Values) -> list[str]:
    """Return the subjects whose means are largest, by name; those of which nothing is known are left out."""
    known = ~np.isnan(means)
    found = {subject: means[known & (rows.subjects == subject)] for subject in rows.list_subjects()}
    sizes = {subject: values.mean() for subject, values in found.items() if len(values)}
    return sorted(sorted(sizes, key=lambda subject: -sizes[subject])[:MOST_LINES])


def significant(values: Any) -> list[float | None]:
    """Return the values with four significant digits; what is missing is None."""
    exact = np.asarray(values, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = 3 - np.floor(np.log10(np.abs(exact)))
    # Powers of ten from 1 on are exact, their inverses are not: small values are divided by one, large ones multiplied.
    up, down = 10.0 ** np.clip(digits, 0, 300), 10.0 ** np.clip(-digits, 0, 300)
    rounded = np.where(np.isfinite(digits), np.rint(exact * up / down) * down / up, exact)
    return [None if math.isnan(value) else value for value in rounded.tolist()]


def chosen(rows: SeriesRows, subject: str) -> SeriesRows:
    """Return the rows of one subject, or all where none is chosen."""
    return rows.of(subject) if subject else rows


def guest_names(newest: Newest) -> dict[str, str]:
    """Return the names of the guests by subject, in the order of their ids."""
    guests = sorted(list_guests(newest.judged), key=lambda guest: guest.vmid)
    return {f"{guest.type}/{guest.vmid}": f"{guest.vmid} {guest.name}".strip() for guest in guests}


def newest_values(newest: Newest) -> dict[tuple[SeriesKind, str, str], float | None]:
    """Return what the newest fast sample says, by kind, metric and subject."""
    fast = newest.fast
    found: dict[tuple[SeriesKind, str, str], float | None] = {
        (SeriesKind.HOST, metric, ""): getattr(newest.host, metric) for metric in SHOWN[SeriesKind.HOST]
    }
    for pool in newest.pools or ():
        found[SeriesKind.ZPOOL, "capacity_percent", pool.name] = pool.capacity_percent
    for storage in newest.storages.storages or ():
        used = share(storage.used_bytes, storage.total_bytes)
        found[SeriesKind.STORAGE, "used_percent", storage.name] = used
    for guest in (fast.vms_runtime.vms or ()) if fast.vms_runtime else ():
        subject = f"{guest.type}/{guest.vmid}"
        found[SeriesKind.GUEST, "cpu_percent", subject] = guest.cpu_percent
        found[SeriesKind.GUEST, "mem_bytes", subject] = guest.mem_bytes
    return found
