"""``/healthz``: whether samples can be stored, without a login."""

from __future__ import annotations

import asyncio

from proxmon.handlers.base import ApiHandler

BROKEN_RULES = "Correct the file of rules, see /admin/rules or `proxmon rules check`: those before it hold."


class HealthHandler(ApiHandler):
    """Answers ok only when a sample that arrives now could be stored."""

    async def get(self) -> None:
        """Ask the store."""
        await asyncio.to_thread(self.monitor.store.check)
        self.answer({"status": "ok", **self._rules()})

    def _rules(self) -> dict[str, str]:
        """Say when the file of rules cannot be used; what is wrong in it is for who may log in."""
        return {} if self.monitor.rules.loaded.problem is None else {"rules": BROKEN_RULES}

    head = get
