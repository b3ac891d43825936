"""``/api/alerts``: the alerts for people's programs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from proxmon.alerts.records import AlertRecord
from proxmon.alerts.silences import read_text, read_until
from proxmon.answers import alert_answer, iso, silence_answer
from proxmon.board import Board, PastBoard
from proxmon.errors import SampleError
from proxmon.handlers.base import ApiHandler
from proxmon.handlers.hosts import ReaderHandler, read_object, read_past
from proxmon.tokens import Role

STATES = ("open", "acknowledged", "closed")
SEVERITIES = ("warning", "critical")
API_ACTOR = "a program"
MOST_ID_DIGITS = 18  # what the store counts to; Python refuses to read a number of thousands


class AlertsHandler(ReaderHandler):
    """``GET /api/alerts``: open and past alerts, now or as of a moment."""

    async def get(self) -> None:
        """Answer the alerts that were asked for, the newest first."""
        records, board, now = await self._read()
        wanted = self._filter(records, board, now)
        ordered = sorted(wanted, key=lambda pair: pair[0].id, reverse=True)
        self.answer({"at": iso(now), "alerts": [self._tell(record, host, now) for record, host in ordered]})

    def _tell(self, record: AlertRecord, host: str | None, now: datetime) -> dict[str, Any]:
        is_live = record.is_open and not self.get_query_argument("at", "")
        silence = self.monitor.silences.find_for(record, host or "", now) if is_live else None
        return alert_answer(record, host, now, silence)

    async def _read(self) -> tuple[list[AlertRecord], Board | PastBoard, datetime]:
        desk, text = self.monitor.alerts, self.get_query_argument("at", "")
        if not text:
            await desk.stored()  # what is answered is durable
            return [*desk.list_fresh(), *desk.list_closed()], self.monitor.board, self.monitor.clock()
        at = read_past(text, self.monitor.clock())
        records, past = await asyncio.gather(asyncio.to_thread(desk.read_at, at), self.monitor.past(at))
        return records, past, at

    def _filter(
        self, records: Iterable[AlertRecord], board: Board | PastBoard, now: datetime
    ) -> list[tuple[AlertRecord, str | None]]:
        state, severity = self._choice("state", STATES), self._choice("severity", SEVERITIES)
        host, rule = self.get_query_argument("host", ""), self.get_query_argument("rule", "")
        named = ((record, host_name(board, record)) for record in records)
        return [
            (record, name)
            for record, name in named
            if (not state or record.state(now) == state)
            and (not severity or record.severity == severity)
            and (not host or name == host)
            and (not rule or record.newest.rule == rule)
        ]

    def _choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.get_query_argument(name, "")
        if value and value not in choices:
            raise SampleError(f"Send {name} as one of {', '.join(choices)}.")
        return value


class AcknowledgementHandler(ApiHandler):
    """``/api/alerts/ID/acknowledgement``: somebody knows of an alert, or takes that back."""

    async def prepare(self) -> None:
        """Let administrators pass."""
        await self.authorize(Role.ADMIN)

    async def post(self, alert_id: str) -> None:
        """Acknowledge the alert, with a reason and an end if the body has them."""
        body = read_object(self.request.body or b"{}")
        until = read_until(body)
        if until is not None and until <= self.monitor.clock():
            raise SampleError("Choose an end that is still to come.")
        desk = self.monitor.alerts
        record = desk.acknowledge(read_id(alert_id), API_ACTOR, read_text(body, "reason"), until)
        await desk.stored()
        self.answer(alert_answer(record, desk.host_of(record) or None, self.monitor.clock()))

    async def delete(self, alert_id: str) -> None:
        """Take the acknowledgement back."""
        self.monitor.alerts.unacknowledge(read_id(alert_id), API_ACTOR)
        await self.monitor.alerts.stored()
        self.set_status(204)
        self.finish()


class SilencesHandler(ApiHandler):
    """``/api/silences``: what is silenced; POST adds a silence or a maintenance window."""

    async def prepare(self) -> None:
        """Let administrators add silences and readers see them."""
        await self.authorize(Role.ADMIN if self.request.method == "POST" else Role.READER)

    async def get(self) -> None:
        """Answer the silences that are not over."""
        self.answer({"silences": [silence_answer(one) for one in self.monitor.silences.list_silences()]})

    async def post(self) -> None:
        """Add a silence."""
        silence = await self.monitor.silences.add(read_object(self.request.body), API_ACTOR)
        self.answer(silence_answer(silence), status=201)


class SilenceHandler(ApiHandler):
    """``DELETE /api/silences/ID``: end a silence."""

    async def prepare(self) -> None:
        """Let administrators pass."""
        await self.authorize(Role.ADMIN)

    async def delete(self, silence_id: str) -> None:
        """End it now."""
        await self.monitor.silences.end(read_id(silence_id))
        self.set_status(204)
        self.finish()


def read_id(digits: str) -> int:
    """Return the number that a path names; that of nothing where it is longer than any can be."""
    return int(digits) if len(digits) <= MOST_ID_DIGITS else -1


def host_name(board: Board | PastBoard, record: AlertRecord) -> str | None:
    """Return the name of an alert's host; None when it is about the server, or the host was deleted."""
    judged = board.find(record.host_id)
    return judged.name if judged else None
