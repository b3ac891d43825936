"""The page of one host: everything it says about itself, and why its light has its colour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

import param
from markupsafe import Markup

from dashboards.chart_statuses import ChartStatuses, told_changes
from dashboards.charts import Charts
from dashboards.components import Message, Part, Rows, table_part
from dashboards.formats import clock_text, unix
from dashboards.host_tables import DATASET_COLUMNS, GUEST_COLUMNS, dataset_rows, guest_rows
from dashboards.live import Page
from dashboards.newest import Newest
from dashboards.sections import SECTIONS, render_section
from dashboards.timeline import Timeline
from proxmon.board import JudgedHost
from proxmon.bus import Changes

JUMPS = (
    ("metrics", "Load and memory"),
    ("findings", "Findings"),
    ("events", "Events"),
    ("zpools", "Zpools"),
    ("storages", "Storages"),
    ("system", "System and agent"),
    ("guests", "Guests"),
    ("snapshots", "Datasets"),
)


class HostPage(Page):
    """One host in sections; a change sends the sections and the table rows that differ."""

    host_name: str = param.String(doc="The host's name, as the address has it.")  # pyright: ignore[reportAssignmentType]

    template_name: ClassVar[str] = "host.html"

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._judged: JudgedHost | None = None
        self._html: dict[str, Markup] = {}
        self._datasets, self._guests = Rows(), Rows()
        self._charts = Charts(self.monitor.series)
        self._statuses = ChartStatuses(self.monitor.events, self.host_name, self.at)
        self._timeline = Timeline(self.monitor, self.host_name, self.at)

    @property
    def title(self) -> str:
        """Return the host's name."""
        return self.host_name

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """Return the way over the overview to this host."""
        return [("/", "Overview"), (f"/hosts/{self.host_name}", self.host_name)]

    @property
    def stepped_host(self) -> str:
        """Return the host's name: one steps through its events."""
        return self.host_name

    def context(self) -> dict[str, object]:
        """Return the sections as they are now; those of a past moment come when they are loaded."""
        judged = self._find()
        html = self._sections(judged) if judged else dict.fromkeys(SECTIONS, Markup(""))
        datasets, guests = self._rows(judged) if judged else ([], [])
        self._judged, self._html = judged, html
        self._datasets, self._guests = Rows(datasets), Rows(guests)
        return {
            "html": html,
            "jumps": JUMPS,
            "sections": Part("sections", "live-sections.js", {"moments": self._moments(judged)}),
            "charts": Part("charts", "charts.js", self._chart_state()),
            **self._timeline.part(),
            "is_loading": judged is None,
            "datasets": table_part("datasets", DATASET_COLUMNS, datasets, sort=["name", 1], page=40, filter="datasets"),
            "guests": table_part("guests", GUEST_COLUMNS, guests, sort=["vmid", 1], page=100),
        }

    def refresh(self, changes: Changes | None) -> Iterator[Message]:
        """Give the events that are new, and the sections and rows that differ from what the browser shows."""
        yield from told_changes(self._timeline.follow())
        judged = self._find()
        if judged is None and self.at is not None:
            yield {"to": "sections", "absent": self._absence(self.at)}
        elif judged is None:
            yield {"to": "leave", "address": f"/?missing={self.host_name}"}
        elif judged is not self._judged:
            self._judged = judged
            yield from self._differing(judged)

    async def receive(self, message: Message) -> None:
        """Answer a chart that asks for a span of the past, or the timeline that asks for events."""
        judged = self._find()
        if message.get("to") == "timeline":
            self._answer(await self._timeline.answer(message))
        elif judged is not None and message.get("to") == "charts":
            self._answer(await self._chart_answer(message, self.newest(judged)))

    async def _chart_answer(self, wish: Message, newest: Newest) -> Message:
        if wish.get("kind") == "statuses":
            return await self._statuses.answer(wish, newest.now)
        return await self._charts.answer(wish, newest)

    def _chart_state(self) -> Message:
        rules = self.monitor.board.rules.of_host(self.host_name).settings
        thresholds = {"warning": rules.capacity_warning_percent, "critical": rules.capacity_critical_percent}
        return {"thresholds": thresholds, "host": self.host_name}

    def shown_hosts(self) -> list[JudgedHost]:
        """List this host, where it is there."""
        judged = self._find()
        return [judged] if judged is not None else []

    def _find(self) -> JudgedHost | None:
        return self.board.find_named(self.host_name) if self.board is not None else None

    def _absence(self, at: datetime) -> list[str]:
        """Say that the host was not there at a past moment, and since when it is."""
        today = self.monitor.board.find_named(self.host_name)
        if today is None:
            return [f"There was no host “{self.host_name}”", f"None had that name at {clock_text(at)}."]
        added = clock_text(today.snapshot.host.created_at)
        return [f"{self.host_name} was not there yet", f"At {clock_text(at)} it was unknown: it was added at {added}."]

    def _sections(self, judged: JudgedHost) -> dict[str, Markup]:
        newest = self.newest(judged)
        return {name: render_section(name, newest) for name in SECTIONS}

    def _rows(self, judged: JudgedHost) -> tuple[list[Message], list[Message]]:
        newest = self.newest(judged)
        return dataset_rows(newest), guest_rows(newest)

    def _moments(self, judged: JudgedHost | None) -> dict[str, float | None]:
        return {name: unix(at) for name, at in self.newest(judged).moments.items()} if judged else {}

    def _differing(self, judged: JudgedHost) -> Iterator[Message]:
        html = self._sections(judged)
        changed = {name: text for name, text in html.items() if self._html.get(name) != text}
        self._html = html
        shown = {name: str(text) for name, text in changed.items()}
        yield {"to": "sections", "moments": self._moments(judged), "html": shown}
        datasets, guests = self._rows(judged)
        yield from self._charts.follow(self.newest(judged))
        for name, known, rows in (("datasets", self._datasets, datasets), ("guests", self._guests, guests)):
            message = known.replace(rows)
            if message:
                yield {"to": name, **message}
