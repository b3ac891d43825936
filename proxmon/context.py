"""What the handlers and pages are given: the running monitor's parts and what they may ask of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from proxmon.alerts.channels import ChannelBook
from proxmon.alerts.desk import AlertDesk
from proxmon.alerts.dispatch import Dispatcher
from proxmon.alerts.heartbeat import Heartbeat
from proxmon.alerts.links import LinkSigner
from proxmon.alerts.silences import SilenceBook
from proxmon.board import Board, PastBoard
from proxmon.bus import Bus
from proxmon.config import Settings
from proxmon.costs import CostMeter
from proxmon.events import Event, EventRequest, StepRequest
from proxmon.forecasts import ForecastDesk
from proxmon.hosts import HostRegistry
from proxmon.ingest import Ingest
from proxmon.queries import Queries
from proxmon.recorder import Recorder
from proxmon.ruledesk import RuleDesk
from proxmon.series import SeriesRequest
from proxmon.seriesrows import SeriesRows, Times, Values
from proxmon.sessions import Sessions
from proxmon.sparklines import ReadSteps, Sparklines
from proxmon.tokens import TokenRegistry


class CheckedStore(Protocol):
    """What the health check asks of the store."""

    def check(self) -> None:
        """Raise StoreUnavailableError when samples cannot be stored."""


class PastReader(Protocol):
    """Reads the fleet as of a past moment."""

    async def __call__(self, at: datetime, *, as_collected: bool = False) -> PastBoard:
        """Return the fleet as it was known then, or as it was then by what is known today."""
        ...


@dataclass(frozen=True, slots=True)
class Monitor:
    """The running monitor; made once per process by the composition root."""

    settings: Settings
    store: CheckedStore
    board: Board
    bus: Bus
    hosts: HostRegistry
    alerts: AlertDesk
    rules: RuleDesk
    silences: SilenceBook
    links: LinkSigner
    channels: ChannelBook
    dispatcher: Dispatcher
    heartbeat: Heartbeat
    forecasts: ForecastDesk
    tokens: TokenRegistry
    sessions: Sessions
    ingest: Ingest
    queries: Queries
    clock: Callable[[], datetime]
    # What a copy shows where no moment is asked for; None on a server that takes samples in.
    moment: datetime | None
    past: PastReader
    back_up: Callable[[], Coroutine[None, None, Path]]
    recorder: Recorder
    costs: CostMeter
    events: Callable[[EventRequest], Awaitable[list[Event]]]
    step: Callable[[StepRequest], Awaitable[datetime | None]]
    # A pandas DataFrame: proxmon itself needs no pandas, which takes half a second to import.
    series: Callable[[SeriesRequest], Awaitable[SeriesRows]]
    sparklines: Sparklines
    # Those of a past moment, for a page that shows it.
    read_sparklines: ReadSteps
    # The bytes of a Parquet file with a DataFrame's columns; it may block.
    parquet: Callable[[Times, Mapping[str, Values]], bytes]
