"""The page of alerts: what is open, what somebody knows of, and what was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from dashboards.alert_rows import alert_row, silence_row, silence_words
from dashboards.components import Message, Part, Rows
from dashboards.live import Page, argument
from dashboards.wording import rule_label
from proxmon.alerts.records import AlertRecord
from proxmon.alerts.silences import Silence, read_text, read_until
from proxmon.bus import Changes
from proxmon.errors import ConflictError, NotFoundError, ProxmonError
from proxmon.rules.words import listed
from proxmon.status import RULE_NAMES

OWNER = "the owner"


class AlertsPage(Page):
    """All alerts of the last 30 days; a change sends the fields that differ."""

    template_name: ClassVar[str] = "alerts.html"
    nav: ClassVar[str] = "/alerts"

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._shown = Rows()
        self._past: list[AlertRecord] | None = None
        self._silences = Rows()
        self._note = ""

    @property
    def title(self) -> str:
        """Return the page's name."""
        return "Alerts"

    def context(self) -> dict[str, object]:
        """Return the alerts as they are now; those of a past moment come when they are loaded."""
        rows = self._rows()
        self._shown = Rows(rows)
        silences = self._silence_rows()
        self._silences = Rows(silences)
        self._note = self._paused_words()
        state = {
            "rows": rows,
            "note": self._note,
            "silences": silences,
            "rules": {name: rule_label(name) for name in RULE_NAMES},
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
        silences = self._silences.replace(self._silence_rows())
        known, self._note = self._note, self._paused_words()
        more = ({"silences": silences} if silences else {}) | ({} if known == self._note else {"note": self._note})
        if message or more or changes is None:
            yield {"to": "alerts", **message, **more}

    async def receive(self, message: Message) -> None:
        """Do what a dialog asks, and answer with what was done or why not."""
        try:
            answer = {"done": await self._act(message)}
        except ProxmonError as error:
            answer = {"error": str(error)}
        self._send([{"to": "alerts", "answer": answer}])

    async def _act(self, message: Message) -> str:
        desk, action = self.monitor.alerts, message.get("action")
        if self.at is not None:
            raise ConflictError("Go back to live first: the past cannot be changed.")
        if action == "acknowledge":
            record = desk.acknowledge(_id(message), OWNER, read_text(message, "reason"), read_until(message))
            return f"Acknowledged: {record.newest.message}."
        if action == "unacknowledge":
            desk.unacknowledge(_id(message), OWNER)
            return "The acknowledgement was taken back."
        if action == "silence":
            silence = await self.monitor.silences.add(message, OWNER)
            return f"Silenced: {silence_words(silence)}."
        if action == "end-silence":
            await self.monitor.silences.end(_id(message))
            return "The silence has ended."
        raise NotFoundError("The server does not know this action; reload the page.")

    def _paused_words(self) -> str:
        """Say which channels are paused, for who looks here and waits for a message."""
        channels = [] if self.at is not None else self.monitor.channels.list_channels()
        paused = [one.name for one in channels if one.paused_at is not None]
        noun, verb = ("channels", "are") if len(paused) > 1 else ("channel", "is")
        return f"Messages wait: the {noun} {listed(paused)} {verb} paused." if paused else ""

    def _silence_rows(self) -> list[Message]:
        book = self.monitor.silences
        return [] if self.at is not None else [silence_row(one, self.now) for one in book.list_silences()]

    async def load(self, at: datetime) -> None:
        """Load the past moment's fleet, for the hosts' names, and its alerts."""
        await super().load(at)
        try:
            self._past = await asyncio.to_thread(self.monitor.alerts.read_at, at)
        except ProxmonError as error:
            self.tell(str(error))

    def _rows(self) -> list[Message]:
        return [alert_row(record, self._host(record), self.now, self._silence(record)) for record in self._records()]

    def _silence(self, record: AlertRecord) -> Silence | None:
        if self.at is not None or not record.is_open:
            return None
        return self.monitor.silences.find_for(record, self._host(record) or "", self.now)

    def _records(self) -> list[AlertRecord]:
        if self.at is not None:
            return self._past or []
        desk = self.monitor.alerts
        return [*desk.list_fresh(), *desk.list_closed()]

    def _host(self, record: AlertRecord) -> str | None:
        judged = self.board.find(record.host_id) if self.board is not None else None
        return judged.name if judged else None


def _id(message: Message) -> int:
    text = str(message.get("id", ""))
    return int(text) if text.isdecimal() and len(text) < 19 else 0
