"""The page of channels: where alerts are told. An address goes in and is never shown again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from dashboards.components import Message, Part, Rows
from dashboards.formats import unix
from dashboards.live import Page
from proxmon.bus import Changes
from proxmon.errors import ProxmonError

log = logging.getLogger(__name__)

NO_LINKS = "Messages have no links yet: set PROXMON_PUBLIC_URL to the address by which you reach this server."


class ChannelsPage(Page):
    """All channels and how deliveries to them go, once a second."""

    template_name: ClassVar[str] = "channels.html"
    nav: ClassVar[str] = "/alerts"
    has_past: ClassVar[bool] = False

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._shown = Rows()

    @property
    def title(self) -> str:
        """Return the page's name."""
        return "Channels"

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """Return the way to this page as addresses and labels."""
        return [("/alerts", "Alerts"), ("/admin/channels", self.title)]

    def context(self) -> dict[str, object]:
        """Return the channels as they are now."""
        rows = self._rows()
        self._shown = Rows(rows)
        note = "" if self.monitor.settings.public_url else NO_LINKS
        return {"channels": Part("channels", "channels.js", {"rows": rows, "note": note})}

    def refresh(self, changes: Changes | None) -> Iterator[Message]:
        """Give the rows that differ from what the browser shows."""
        message = self._shown.replace(self._rows())
        if message:
            yield {"to": "channels", **message}

    async def receive(self, message: Message) -> None:
        """Do what a dialog or button asks, and answer with what was done or why not."""
        action, name = str(message.get("action")), str(message.get("name", ""))
        try:
            answer = {"done": await self._act(action, name, message)}
        except ProxmonError as error:
            answer = {"error": f"The test of {name} failed: {error}" if action == "test" else str(error)}
        except Exception:  # the button must not be left waiting
            log.exception("The action %s on a channel failed", action)
            answer = {"error": "That did not work; the server's log says why."}
        self._send([{"to": "channels", "answer": {"action": action, "name": name, **answer}}])

    async def _act(self, action: str, name: str, message: Message) -> str:
        if action == "add":
            channel = await self.monitor.channels.add(message)
            return f"{channel.name} was added. Test it: it then says whether {channel.service} takes messages."
        if action == "change":
            await self.monitor.dispatcher.change(name, message)
            return f"{name} was changed."
        if action in ("pause", "resume"):
            return await self._pause(name, is_paused=action == "pause")
        if action == "test":
            await self.monitor.dispatcher.test(name)
            return f"{name} accepted a test message."
        if action == "delete":
            await self.monitor.dispatcher.delete(name)
            return f"{name} was deleted with its address."
        return "The server does not know this action; reload the page."

    async def _pause(self, name: str, *, is_paused: bool) -> str:
        await self.monitor.dispatcher.change(name, {"paused": is_paused})
        if is_paused:
            return f"{name} is paused. What it is to tell waits, also over a restart, until you resume it."
        return f"{name} was resumed; what has waited is told within seconds."

    def _rows(self) -> list[Message]:
        answers = (self.monitor.dispatcher.answer(one) for one in self.monitor.channels.list_channels())
        return [channel_row(answer) for answer in answers]


def channel_row(answer: Message) -> Message:
    """Return a channel as a row of the page."""
    return {
        "key": answer["name"],
        "service": answer["service"],
        "severity": answer["severity"].value,
        "hosts": answer["hosts"],
        "quiet_hours": answer["quiet_hours"],
        "tells_ends": answer["tells_ends"],
        "waiting": answer["waiting"],
        "error": answer["error"],
        "sent": _unix(answer["last_sent_at"]),
        "paused": _unix(answer["paused_at"]),
    }


def _unix(moment: str | None) -> float | None:
    return unix(datetime.fromisoformat(moment)) if moment else None
