"""The charts of a host in a notebook: Bokeh figures with the past of ``Fleet.series`` and a live end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import pandas as pd
import panel as pn
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.plotting import figure

from dashboards.newest import Newest
from proxmon.payload import Tier
from proxmon.series import read_timedelta

# Rows as they came for some hours, means of a minute for days, means of an hour for more.
RESOLUTIONS = ((timedelta(hours=3), "sample"), (timedelta(days=3), "minute"), (timedelta.max, "hour"))
GRAY = "#7c8698"  # readable on a light and on a dark notebook
COLOURS = ("#4a66d8", "#d97a08", "#17a05d", "#b05cc6", "#d92d37", "#0f9bb3")
MOST_POINTS = 20_000


class SeriesReader(Protocol):
    """What the charts ask of a fleet."""

    def series(self, host: str, column: str, *, since: str, until: datetime, resolution: str) -> Any:
        """Return a column over time."""
        ...


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure: its lines by column and label, what values are divided by, and where its axis ends if that is fixed."""

    title: str
    lines: tuple[tuple[str, str], ...]
    divisor: float = 1.0
    top: float | None = None


CHARTS = (
    Chart("Load", (("load1", "1 min"), ("load15", "15 min"))),
    Chart("CPU, %", (("cpu_percent", "CPU"),), top=100),
    Chart("Memory, GiB", (("mem_used_bytes", "used"), ("arc_bytes", "ARC")), divisor=2**30),
    Chart("Zpools, % full", (("capacity_percent", ""),), top=100),
)


class DetailCharts(pn.viewable.Viewer):
    """Four figures in two columns; ``follow`` adds the values of a fast sample that is new."""

    def __init__(self, fleet: SeriesReader, host: str, since: str, until: datetime) -> None:
        super().__init__()
        self._sources: dict[tuple[str, str], ColumnDataSource] = {}
        self._told: datetime | None = None
        span = read_timedelta(since)
        resolution = next(name for longest, name in RESOLUTIONS if span <= longest)

        def read(column: str) -> Any:
            return fleet.series(host, column, since=since, until=until, resolution=resolution)

        panes = [pn.pane.Bokeh(self._draw(chart, read), sizing_mode="stretch_width") for chart in CHARTS]
        rows = [pn.Row(*panes[begin : begin + 2], sizing_mode="stretch_width") for begin in (0, 2)]
        self._layout = pn.Column(*rows, sizing_mode="stretch_width")

    def __panel__(self) -> pn.Column:
        return self._layout

    def follow(self, newest: Newest) -> None:
        """Add the values of the newest fast sample at the end of the lines."""
        sample = newest.sample(Tier.FAST)
        if sample is None or sample.observed_at == self._told:
            return
        self._told = sample.observed_at
        for key, value in _values(newest):
            source = self._sources.get(key)
            if source is not None and value is not None:
                at = pd.Timestamp(sample.observed_at).tz_localize(None)
                source.stream({"at": [at], "value": [value]}, rollover=MOST_POINTS)

    def _draw(self, chart: Chart, read: Any) -> Any:
        plot = figure(
            title=chart.title,
            height=190,
            sizing_mode="stretch_width",
            x_axis_type="datetime",
            tools="xpan,xwheel_zoom,reset",
            toolbar_location=None,
        )
        _style(plot, chart)
        colours = iter(COLOURS * 4)
        for column, label in chart.lines:
            frame = read(column)
            for subject, rows in frame.groupby("subject"):
                at, value = rows.index.tz_localize(None), rows["value"].astype(float) / chart.divisor
                source = self._sources[column, str(subject)] = ColumnDataSource({"at": at, "value": value})
                name = label or str(subject)
                plot.line(
                    "at", "value", source=source, color=next(colours), line_width=1.6, legend_label=name, name=name
                )
        if plot.legend:
            _move_legend(plot)
        plot.add_tools(
            HoverTool(
                tooltips=[("", "$name"), ("", "@at{%F %T} UTC"), ("", "@value{0.00}")], formatters={"@at": "datetime"}
            )
        )
        return plot


def _style(plot: Any, chart: Chart) -> None:
    plot.background_fill_alpha = plot.border_fill_alpha = 0
    plot.outline_line_color = None
    plot.title.text_color, plot.title.text_font_size = GRAY, "12px"
    plot.y_range.start = 0
    if chart.top is not None:
        plot.y_range = Range1d(start=0, end=chart.top)
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]")
    for axis in plot.axis:
        axis.major_label_text_color = GRAY
        axis.axis_line_color = axis.major_tick_line_color = GRAY
        axis.minor_tick_line_color = None
    plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_color, plot.ygrid.grid_line_alpha = GRAY, 0.25


def _move_legend(plot: Any) -> None:
    legend = plot.legend[0]
    legend.orientation = "horizontal"
    plot.add_layout(legend, "above")
    legend.background_fill_alpha = 0
    legend.border_line_color = None
    legend.label_text_color, legend.label_text_font_size = GRAY, "11px"
    legend.padding, legend.margin = 0, 2


def _values(newest: Newest) -> Iterator[tuple[tuple[str, str], float | None]]:
    for chart in CHARTS[:3]:
        for column, _ in chart.lines:
            value = getattr(newest.host, column)
            yield (column, ""), None if value is None else value / chart.divisor
    for pool in newest.pools or ():
        yield ("capacity_percent", pool.name), pool.capacity_percent
