"""The page of the store: what each table holds and for how long, and what the server itself costs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

from markupsafe import Markup

from dashboards.components import Column, Message, Part, Rows, table_part
from dashboards.formats import clock_text, duration, percent, size, unix
from dashboards.live import Page
from dashboards.templating import render
from proxmon.bus import Changes
from proxmon.costs import Compaction, CostMeter, StoreReport, TableSize
from proxmon.errors import ProxmonError

log = logging.getLogger(__name__)

MEASURE_SECONDS, SHORT_SECONDS = 60.0, 600.0
COLUMNS = (
    Column("name", "Table", "name"),
    Column("rows", "Rows", "count"),
    Column("size", "Size", "bytes"),
    Column("daily", "A day adds", "bytes", is_optional=True),
    Column("oldest", "Oldest", "age"),
    Column("kept", "Kept", "text"),
    Column("setting", "Setting", "text", is_optional=True),
)


def table_row(table: TableSize, monitor: Any) -> Message:
    """Return a table as a row."""
    days = table.days
    return {
        "key": table.name,
        "name": table.name,
        "rows": table.rows,
        "size": table.size_bytes,
        "daily": table.daily_bytes(monitor.clock()),
        "oldest": unix(table.oldest_at),
        "kept": "for ever" if days is None else f"{days:g} {'day' if days == 1 else 'days'}",
        "setting": table.setting,
    }


class StorePage(Page):
    """What the store holds and the server costs, measured once a minute while somebody looks."""

    template_name: ClassVar[str] = "store.html"
    nav: ClassVar[str] = "/admin/hosts"
    has_past: ClassVar[bool] = False

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._report: StoreReport | None = None
        self._measured_at = float("-inf")
        self._shown = Rows()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def title(self) -> str:
        """Return the page's name."""
        return "Store"

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """Return the way over the hosts' administration to this page."""
        return [("/admin/hosts", "Manage hosts"), ("/admin/store", self.title)]

    def context(self) -> dict[str, object]:
        """Return the page before the store was measured."""
        return {
            "sections": Part("sections", "live-sections.js", {"moments": {}}),
            "costs": self._costs(),
            "compaction": Part("compaction", "compaction.js", {}),
            "tables": table_part("tables", COLUMNS, [], sort=["size", -1], page=100),
        }

    def refresh(self, changes: Changes | None) -> Iterator[Message]:
        """Give what the server uses, and have the store measured when that is due."""
        if changes is None or changes.is_tick:
            self._measure()
        yield from ()

    async def receive(self, message: Message) -> None:
        """Compact the store."""
        if message.get("action") != "compact":
            return
        try:
            answer = {"done": _gain(await self.monitor.costs.compact())}
        except ProxmonError as error:
            answer = {"error": str(error)}
        self._measured_at = float("-inf")
        self._measure()
        self._send([{"to": "compaction", **answer}])

    def _measure(self) -> None:
        now = time.monotonic()
        if now - self._measured_at >= MEASURE_SECONDS:
            self._measured_at = now
            task = asyncio.get_running_loop().create_task(self._show())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _show(self) -> None:
        try:
            self._report = await self.monitor.costs.report()
        except ProxmonError as error:
            self.tell(str(error))
            return
        if self._is_over:
            return
        rows = self._shown.replace([table_row(table, self.monitor) for table in self._report.tables])
        shown = {"to": "sections", "moments": {}, "html": {"costs": str(self._costs())}}
        self._send([shown, *([{"to": "tables", **rows}] if rows else [])])

    def _costs(self) -> Markup:
        costs: CostMeter = self.monitor.costs
        server, latency = costs.server(), self.monitor.ingest.latency
        report, span = self._report, duration(server.span_seconds)
        return render(
            "sections/costs.html",
            file=report.file if report else None,
            pending=report.pending_samples if report else None,
            retention=self._retention(report),
            compaction=_last_compaction(report) if report else "",
            server=server,
            span=span,
            written=_pace(server.written_bytes_per_day, server.span_seconds),
            sent=_pace(server.page_bytes_per_day, server.span_seconds),
            cpu=None if server.cpu_ratio is None else percent(100 * server.cpu_ratio),
            median=_milliseconds(latency.quantile(0.5)),
            worst=_milliseconds(latency.quantile(0.99)),
            messages=latency.count,
        )

    def _retention(self, report: StoreReport | None) -> str:
        if report is None or report.seconds_to_retention is None:
            return ""
        return clock_text(self.monitor.clock() + timedelta(seconds=report.seconds_to_retention))


def _last_compaction(report: StoreReport) -> str:
    if report.is_compacting:
        return "running"
    return _gain(report.last_compaction) if report.last_compaction else "none since the start"


def _gain(done: Compaction) -> str:
    return f"{size(done.before_bytes)} became {size(done.after_bytes)} in {duration(done.seconds)}"


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.1f} ms"


def _pace(daily_bytes: float | None, seconds: float) -> str:
    """Return an amount as that of a day, but of a short time as it is: a start is no ordinary minute."""
    if daily_bytes is None:
        return "–"
    is_short = seconds < SHORT_SECONDS
    return (
        f"{size(daily_bytes * seconds / 86_400)} in {duration(seconds)}" if is_short else f"{size(daily_bytes)} a day"
    )
