"""``/api/alerts``: the alerts for people's programs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

from proxmon.alerts.records import AlertRecord
from proxmon.answers import alert_answer, iso
from proxmon.board import Board, PastBoard
from proxmon.errors import SampleError
from proxmon.handlers.hosts import ReaderHandler, read_moment

STATES = ("open", "acknowledged", "closed")
SEVERITIES = ("warning", "critical")


class AlertsHandler(ReaderHandler):
    """``GET /api/alerts``: open and past alerts, now or as of a moment."""

    async def get(self) -> None:
        """Answer the alerts that were asked for, the newest first."""
        records, board, now = await self._read()
        wanted = self._filter(records, board, now)
        ordered = sorted(wanted, key=lambda pair: pair[0].id, reverse=True)
        self.answer({"at": iso(now), "alerts": [alert_answer(record, host, now) for record, host in ordered]})

    async def _read(self) -> tuple[list[AlertRecord], Board | PastBoard, datetime]:
        desk, text = self.monitor.alerts, self.get_query_argument("at", "")
        if not text:
            return [*desk.list_fresh(), *desk.list_closed()], self.monitor.board, self.monitor.clock()
        at = read_moment(text)
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


def host_name(board: Board | PastBoard, record: AlertRecord) -> str | None:
    """Return the name of an alert's host; None when it is about the server, or the host was deleted."""
    judged = board.find(record.host_id)
    return judged.name if judged else None
