"""The administration of hosts: add, rotate a token, delete, and see which agents report."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import panel as pn

from dashboards.components import Column, Message, Part, Rows
from dashboards.formats import unix
from dashboards.live import Page
from proxmon.auth import IssuedToken
from proxmon.board import JudgedHost
from proxmon.bus import Changes
from proxmon.errors import ProxmonError
from proxmon.install import install_command, visited_reach

log = logging.getLogger(__name__)

COLUMNS = (
    Column("name", "Host", "host"),
    Column("status", "Status", "status"),
    Column("agent", "Agent", "text"),
    Column("seen", "Last seen", "age"),
    Column("added", "Added", "day"),
    Column("actions", "Actions", "actions", is_sortable=False),
)


def host_row(judged: JudgedHost) -> Message:
    """Return a host as a row of the table."""
    host, sample = judged.snapshot.host, judged.snapshot.newest_sample
    return {
        "key": str(host.id),
        "name": host.name,
        "status": judged.status.status.value,
        "agent": sample.agent_version if sample else "",
        "seen": unix(judged.snapshot.last_seen_at),
        "added": unix(host.created_at),
    }


class AdminPage(Page):
    """Hosts and their tokens. A new token is sent to the browser once and kept nowhere."""

    template_name: ClassVar[str] = "admin.html"
    nav: ClassVar[str] = "/admin/hosts"
    has_past: ClassVar[bool] = False

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._shown = Rows()
        self._reach = visited_reach(self.monitor.settings, *_visited())

    @property
    def title(self) -> str:
        """Return the page's name."""
        return "Manage hosts"

    def context(self) -> dict[str, object]:
        """Return the form and the table of hosts."""
        rows = self._rows()
        self._shown = Rows(rows)
        table = {
            "columns": [column.spec for column in COLUMNS],
            "rows": rows,
            "role": "admin-host",
            "attributes": {"host": "name"},
            "sort": ["name", 1],
            "page": 200,
        }
        return {"admin": Part("admin", "admin.js", {"table": table})}

    def refresh(self, changes: Changes | None) -> Iterator[Message]:
        """Give the rows that differ from what the browser shows."""
        message = self._shown.replace(self._rows())
        if message:
            yield {"to": "admin", "rows": message}

    async def receive(self, message: Message) -> None:
        """Do what the form or a dialog asks and answer with a token, an outcome or an error in words."""
        action, name = str(message.get("action")), str(message.get("name", ""))
        try:
            answer = await self._act(action, name, keep_history=bool(message.get("keep_history", True)))
        except ProxmonError as error:
            answer = {"error": str(error)}
        except Exception:  # the form must not be left waiting
            log.exception("The action %s on a host failed", action)
            answer = {"error": "That did not work; the server's log says why."}
        self._send([{"to": "admin", "answer": {"action": action, "name": name, **answer}}])

    async def _act(self, action: str, name: str, *, keep_history: bool) -> Message:
        hosts = self.monitor.hosts
        if action == "add":
            return self._token(await hosts.add(name.strip()))
        if action == "rotate":
            return self._token(await hosts.rotate(name))
        if action == "delete":
            await hosts.delete(name, keep_history=keep_history)
            return {"done": f"{name} was deleted{'; its history is kept.' if keep_history else ' with its history.'}"}
        return {"error": "The server does not know this action; reload the page."}

    def _token(self, issued: IssuedToken) -> Message:
        command = install_command(self._reach.url)
        return {"name": issued.name, "token": issued.token, "command": command, "note": self._reach.note}

    def _rows(self) -> list[Message]:
        return [host_row(judged) for judged in self.monitor.board.list_hosts()]


def _visited() -> tuple[str, str]:
    """Return scheme and host by which the visitor reaches the server; behind a trusted proxy those of the proxy."""
    context: Any = pn.state.curdoc.session_context if pn.state.curdoc else None
    scheme = getattr(context.request, "protocol", "http") if context else "http"
    return scheme, str(pn.state.headers.get("Host", "localhost"))
