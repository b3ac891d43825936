"""The page of alerts: what is open, what somebody knows of, and what was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from dashboards.alert_rows import alert_row
from dashboards.components import Message, Part, Rows
from dashboards.live import Page, argument
from proxmon.alerts.records import AlertRecord
from proxmon.bus import Changes
from proxmon.errors import ProxmonError


class AlertsPage(Page):
    """All alerts of the last 30 days; a change sends the fields that differ."""

    template_name: ClassVar[str] = "alerts.html"
    nav: ClassVar[str] = "/alerts"

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._shown = Rows()
        self._past: list[AlertRecord] | None = None

    @property
    def title(self) -> str:
        """Return the page's name."""
        return "Alerts"

    def context(self) -> dict[str, object]:
        """Return the alerts as they are now; those of a past moment come when they are loaded."""
        rows = self._rows()
        self._shown = Rows(rows)
        state = {
            "rows": rows,
            "loading": self.at is not None,
            "query": argument("q"),
            "state": argument("state"),
            "severity": argument("severity"),
        }
        return {"alerts": Part("alerts", "alerts.js", state)}

    def refresh(self, changes: Changes | None) -> Iterator[Message]:
        """Give the rows that differ from what the browser shows; values follow once a second."""
        if changes is not None and not (changes.is_alerts_changed or changes.is_tick):
            return
        message = self._shown.replace(self._rows())
        if message or changes is None:
            yield {"to": "alerts", **message}

    async def load(self, at: datetime) -> None:
        """Load the past moment's fleet, for the hosts' names, and its alerts."""
        await super().load(at)
        try:
            self._past = await asyncio.to_thread(self.monitor.alerts.read_at, at)
        except ProxmonError as error:
            self.tell(str(error))

    def _rows(self) -> list[Message]:
        return [alert_row(record, self._host(record), self.now) for record in self._records()]

    def _records(self) -> list[AlertRecord]:
        if self.at is not None:
            return self._past or []
        desk = self.monitor.alerts
        return [*desk.list_fresh(), *desk.list_closed()]

    def _host(self, record: AlertRecord) -> str | None:
        judged = self.board.find(record.host_id) if self.board is not None else None
        return judged.name if judged else None
