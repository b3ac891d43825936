"""``/api/rules``: the owner's rules for people's programs."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from proxmon.errors import NotFoundError, SampleError
from proxmon.handlers.base import ApiHandler
from proxmon.handlers.hosts import read_object
from proxmon.rulebook.explain import explain_host
from proxmon.tokens import Role

REHEARSED_DAYS = 7.0


class RulesHandler(ApiHandler):
    """``/api/rules``: the text that holds; PUT replaces it."""

    async def prepare(self) -> None:
        """Let readers see the rules and administrators change them."""
        await self.authorize(Role.ADMIN if self.request.method == "PUT" else Role.READER)

    async def get(self) -> None:
        """Answer the text, what is wrong with the file if anything is, and with ``?host=`` what holds there."""
        host = self.get_query_argument("host", "")
        self.answer(self._told() | ({"effective": self._effective(host)} if host else {}))

    async def put(self) -> None:
        """Replace the file."""
        await self.monitor.rules.save(read_rules_text(self.request.body))
        await self.monitor.alerts.stored()
        self.answer(self._told())

    def _told(self) -> dict[str, Any]:
        loaded = self.monitor.rules.loaded
        return {"text": loaded.text, "problems": list(loaded.problem.problems) if loaded.problem else []}

    def _effective(self, host: str) -> list[dict[str, Any]]:
        if self.monitor.board.find_named(host) is None:
            raise NotFoundError("Name a host of the fleet: GET /api/hosts lists them.")
        return [asdict(one) for one in explain_host(self.monitor.board.rules, host)]


class RehearsalHandler(ApiHandler):
    """``POST /api/rules/rehearsal``: what rules would have done on the stored samples."""

    async def prepare(self) -> None:
        """Let administrators pass: a rehearsal takes up to a minute of one core."""
        await self.authorize(Role.ADMIN)

    async def post(self) -> None:
        """Rehearse the text of the body."""
        body = read_object(self.request.body)
        self.answer(await self.monitor.rules.rehearse(read_rules_text(self.request.body), read_days(body)))


def read_rules_text(raw: bytes) -> str:
    """Return the rules that a body holds. Raises SampleError."""
    text = read_object(raw).get("text")
    if not isinstance(text, str):
        raise SampleError('Send the rules as {"text": "…"}, in TOML.')
    return text


def read_days(body: dict[str, Any]) -> float:
    """Return how many days are asked for, 7 where none are. Raises SampleError."""
    days = body.get("days", REHEARSED_DAYS)
    try:
        if not isinstance(days, bool) and isinstance(days, int | float) and math.isfinite(days):
            return float(days)
    except OverflowError:  # a whole number of hundreds of digits
        pass
    raise SampleError("Send days as a number.")
