"""The page of rules: what holds and where it comes from, and edited rules rehearsed before they are saved."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, cast

from dashboards.components import Message, Part
from dashboards.formats import unix
from dashboards.live import Page
from dashboards.wording import rule_label
from proxmon.bus import Changes
from proxmon.errors import ProxmonError, RulesError
from proxmon.rulebook.book import RuleBook
from proxmon.rulebook.catalog import CATALOG
from proxmon.rulebook.explain import Effective, explain_rule
from proxmon.rulebook.writing import put_entry

log = logging.getLogger(__name__)

# The host whose rules are those of the fleet: no pattern but `*` chooses a host without a name.
FLEET = ""


def rule_row(book: RuleBook, name: str, host: str) -> Message:
    """Return a rule with what holds on a host, or for the fleet."""
    spec = CATALOG[name]
    return {
        "name": name,
        "label": rule_label(name),
        "subject": spec.subject,
        "can_be_off": spec.can_be_off,
        "parameters": [{"key": one.key, "unit": one.unit, "words": list(one.words)} for one in spec.parameters],
        "values": [_value(one) for one in explain_rule(book, name, host)],
        "entries": sum(entry.rule == name for entry in book.entries),
    }


def _value(one: Effective) -> Message:
    return {"key": one.key, "value": one.value, "origin": one.origin, "own": one.is_own, "subject": one.subject}


class RulesPage(Page):
    """The rules that hold, the text they come from, and a draft of it that lives in the browser."""

    template_name: ClassVar[str] = "rules.html"
    nav: ClassVar[str] = "/alerts"
    has_past: ClassVar[bool] = False

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._host = FLEET
        self._shown: Message = {}

    @property
    def title(self) -> str:
        """Return the page's name."""
        return "Rules"

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """Return the way here: from the alerts that the rules make."""
        return [("/alerts", "Alerts"), ("/admin/rules", self.title)]

    def context(self) -> dict[str, object]:
        """Return the rules as they hold now."""
        self._shown = self._state()
        return {"rules": Part("rules", "rules.js", self._shown)}

    def refresh(self, changes: Changes | None) -> Iterator[Message]:
        """Give the state when somebody changed the rules, or a host came or went."""
        if changes is not None and not (changes.is_fleet_changed or changes.is_tick):
            return
        state = self._state()
        if state != self._shown:
            self._shown = state
            yield {"to": "rules", "state": state}

    async def receive(self, message: Message) -> None:
        """Do what the page asks and answer with the outcome, or with what is wrong in words."""
        action = str(message.get("action"))
        try:
            answer = await self._act(action, message)
        except RulesError as error:
            answer = {"problems": list(error.problems)}
        except ProxmonError as error:
            answer = {"error": str(error)}
        except Exception:  # the page must not be left waiting
            log.exception("The action %s on the rules failed", action)
            answer = {"error": "That did not work; the server's log says why."}
        self._send([{"to": "rules", "answer": {"action": action, "text": message.get("text"), **answer}}])

    async def _act(self, action: str, message: Message) -> Message:
        desk, text = self.monitor.rules, str(message.get("text", ""))
        if action == "show":
            return self._show(str(message.get("host", FLEET)))
        if action == "check":
            return {"count": len(desk.read(text).entries)}
        if action == "put":
            return self._put(text, message)
        if action == "rehearse":
            days = message.get("days")
            return {"told": _told(await desk.rehearse(text, float(days) if isinstance(days, int | float) else 7.0))}
        if action == "save":
            await desk.save(text)
            return {"done": "The rules are saved and hold from now on."}
        return {"error": "The server does not know this action; reload the page."}

    def _show(self, host: str) -> Message:
        self._host = host if self.monitor.board.find_named(host) else FLEET
        self._shown = self._state()
        return {"state": self._shown}

    def _put(self, text: str, message: Message) -> Message:
        spec = CATALOG.get(str(message.get("rule")))
        values = message.get("values")
        if spec is None or not isinstance(values, dict):
            return {"error": "The server does not know this rule; reload the page."}
        host, subject = str(message.get("host", "")).strip(), str(message.get("subject", "")).strip()
        changed = put_entry(text, spec, host, subject, cast("dict[str, Any]", values))
        self.monitor.rules.read(changed)
        return {"draft": changed}

    def _state(self) -> Message:
        loaded, book = self.monitor.rules.loaded, self.monitor.board.rules
        return {
            "rules": [rule_row(book, name, self._host) for name in CATALOG],
            "text": loaded.text,
            "problems": list(loaded.problem.problems) if loaded.problem else [],
            "hosts": [judged.name for judged in self.monitor.board.list_hosts()],
            "host": self._host,
        }


def _told(rehearsal: Message) -> Message:
    """Return a rehearsal with its moments as the browser reads them, and its rules in words."""
    alerts = [
        {**_plain(one), "label": rule_label(one["rule"]), "was": _plain(one["was"])} for one in rehearsal["alerts"]
    ]
    return {**_plain(rehearsal), "alerts": alerts}


def _plain(values: Message | None) -> Message:
    return {key: unix(value) if isinstance(value, datetime) else value for key, value in (values or {}).items()}
