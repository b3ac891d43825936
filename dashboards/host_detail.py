"""A host's page inside a notebook or another Panel app: its sections and charts, fed by a ``Fleet``."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Protocol
from weakref import WeakMethod

import panel as pn
import param
from markupsafe import Markup
from panel.custom import JSComponent

from dashboards import assets_directory
from dashboards.detail_charts import DetailCharts
from dashboards.formats import duration, unix
from dashboards.host_tables import dataset_rows, guest_rows
from dashboards.newest import Newest
from dashboards.sections import render_section
from dashboards.templating import render
from proxmon.board import JudgedHost
from proxmon.config import RuleSettings
from proxmon.errors import ProxmonError
from proxmon.payload import Tier
from proxmon.rulebook.book import RuleBook

log = logging.getLogger(__name__)

# Name, title and whether it takes both columns. The charts stand between the two lists.
FIRST = (("metrics", "Load and memory", True),)
REST = (
    ("findings", "Findings", True),
    ("zpools", "Zpools", True),
    ("storages", "Storages", False),
    ("system", "System and agent", False),
    ("guests", "Guests", True),
    ("snapshots", "Datasets and snapshots", True),
)
STYLES = ("tokens.css", "parts.css", "tables.css", "host.css", "detail.css")
# Outside of our own pages there is no script that counts times on, and no page of another moment to lead to.
_TIME = re.compile(r'<time data-(?:moment="(?P<name>\w+)"|since="(?P<at>[\d.]*)") data-form="(?P<form>\w+)"></time>')
_LINK = re.compile(r'<a href="\?at=[^>]*>(.*?)</a>', re.DOTALL)


class FleetReader(Protocol):
    """What is asked of a fleet, which ``proxmon.connect()`` returns."""

    def host(self, name: str, at: datetime | None = None) -> JudgedHost:
        """Return a host with its verdicts and newest samples."""
        ...

    def now(self) -> datetime:
        """Return the moment up to which something can be known."""
        ...

    def series(self, host: str, column: str, *, since: str, until: datetime, resolution: str) -> Any:
        """Return a column over time."""
        ...


class Sections(JSComponent):
    """Sections of a host as HTML, in a shadow root of their own.

    Panel's own HTML pane sends its styles anew with each change, in a notebook with addresses on the internet.
    """

    html: str = param.String(doc="What is shown; values in it are escaped.")  # pyright: ignore[reportAssignmentType]

    _esm: ClassVar[Any] = assets_directory() / "detail.js"


class HostDetail(pn.viewable.Viewer):
    """One host in sections, as its page shows them, which refreshes by itself while it is live.

    In a notebook call ``pn.extension(inline=True)`` first: then nothing is loaded from the internet. ``refresh()``
    brings it up to date at once, ``stop()`` ends the refreshing, which also ends when nothing holds the object.
    """

    at: datetime | None = param.Date(default=None, doc="The past moment shown; None shows the present.")  # pyright: ignore[reportAssignmentType]
    since: str = param.String(default="24h", doc="How far back the charts go, such as 2h or 7d.")  # pyright: ignore[reportAssignmentType]
    refresh_seconds: float = param.Number(  # pyright: ignore[reportAssignmentType]
        default=5.0, bounds=(0, None), doc="How often it asks anew; 0 is never."
    )

    _no_rules: ClassVar[RuleBook] = RuleBook(RuleSettings())

    def __init__(self, fleet: FleetReader, host: str, **params: Any) -> None:
        super().__init__(**params)
        self._fleet, self._host = fleet, host
        self._judged = fleet.host(host, self.at)
        self._charts = DetailCharts(fleet, host, self.since, self._end())
        self._first, self._rest = _pane(), _pane()
        self._layout = pn.Column(self._first, self._charts, self._rest, sizing_mode="stretch_width", max_width=1180)
        self._timer: Any = None
        self._show("")

    def __panel__(self) -> pn.Column:
        self._start()
        return self._layout

    def refresh(self) -> None:
        """Bring it up to date."""
        self._take(self._read())

    def stop(self) -> None:
        """Refresh no more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _start(self) -> None:
        if self._timer is None and self.at is None and self.refresh_seconds:
            self._timer = pn.state.add_periodic_callback(
                _while_alive(self._refresh), period=int(self.refresh_seconds * 1000)
            )

    async def _refresh(self) -> None:
        self._take(await asyncio.to_thread(self._read))

    def _read(self) -> JudgedHost | ProxmonError:
        try:
            return self._fleet.host(self._host, self.at)
        except ProxmonError as error:
            return error

    def _take(self, found: JudgedHost | ProxmonError) -> None:
        """Show what was read; without an answer the last one stays, and it is said why."""
        if isinstance(found, ProxmonError):
            self._show(str(found))
            return
        self._judged = found
        self._charts.follow(self._newest())
        self._show("")
        # On a server changes of Bokeh's own objects are sent by themselves, and this does nothing.
        pn.io.push_notebook(self._layout)

    def _end(self) -> datetime:
        """Return where the charts end: of a host that is silent, where it fell silent."""
        sample = self._judged.snapshot.samples.get(Tier.FAST)
        return self.at or (sample.observed_at if sample else self._fleet.now())

    def _newest(self) -> Newest:
        return Newest(self._judged, self._no_rules, self.at or self._fleet.now())

    def _show(self, fault: str) -> None:
        newest = self._newest()
        _put(self._first, newest, FIRST, fault, head=still(render_section("head", newest), newest))
        _put(self._rest, newest, REST, "")


def _pane() -> Sections:
    return Sections(stylesheets=[stylesheet()], sizing_mode="stretch_width")


def _put(pane: Sections, newest: Newest, sections: Sequence[tuple[str, str, bool]], fault: str, **html: Any) -> None:
    """Show sections in a pane; nothing is sent when they are what they were."""
    text = render(
        "detail.html",
        html=html | {name: still(render_section(name, newest), newest) for name, _, _ in sections},
        sections=sections,
        fault=fault,
        guests=guest_rows(newest),
        datasets=dataset_rows(newest),
        now=unix(newest.now),
    )
    pane.html = str(text)


def still(html: Markup, newest: Newest) -> Markup:
    """Return a section whose times are words, and which leads nowhere."""

    def words(found: re.Match[str]) -> str:
        at = newest.moments.get(found["name"] or "")
        seconds = at.timestamp() if at else float(found["at"] or 0)
        if not seconds:
            return "never"
        span = duration(max(0.0, newest.now.timestamp() - seconds))
        return f"{span} ago" if found["form"] == "ago" else span

    return Markup(_LINK.sub(r"\1", _TIME.sub(words, html)))  # noqa: S704 - of our own, escaped markup


@cache
def stylesheet() -> str:
    """Return the page's styles for a shadow root: what is said of the document holds for the component."""
    text = "\n".join((assets_directory() / name).read_text(encoding="utf-8") for name in STYLES)
    text = re.sub(r"@font-face \{.*?\}\n", "", text, flags=re.DOTALL)  # a notebook has no address for our font
    dark = ':host-context([data-theme="dark"]), :host-context([data-jp-theme-light="false"])'
    return text.replace(':root[data-theme="dark"]', dark).replace(":root", ":host")


def _while_alive(method: Callable[[], Any]) -> Callable[[], Any]:
    """Return a callback that does nothing when the object is gone: a timer must not keep it alive."""
    found = WeakMethod(method)

    async def call() -> None:
        alive = found()
        if alive is not None:
            await alive()

    return call
