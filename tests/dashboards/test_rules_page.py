"""The page of rules."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dashboards.components import Message
from dashboards.rules import RulesPage
from proxmon.config import Settings
from proxmon.rulebook.file import RulesFile
from proxmon.ruledesk import RuleDesk
from tests.builders import a_snapshot
from tests.dashboards.parts import a_monitor
from tests.proxmon.test_ruledesk import Past


class Told(RulesPage):
    """A page that keeps what it sends."""

    def __init__(self, monitor: Any) -> None:
        super().__init__(monitor=monitor)
        self.sent: list[Message] = []

    def _send(self, messages: list[Message]) -> None:
        self.sent += messages

    def ask(self, **message: Any) -> Message:
        self.sent.clear()
        asyncio.run(self.receive(message))
        return self.sent[0]["answer"]


@pytest.fixture
def page(tmp_path: Path) -> Told:
    """Give the page of a monitor with one host, whose rules are in a file."""
    monitor = a_monitor(a_snapshot())
    monitor.rules = RuleDesk(RulesFile(Settings(data=str(tmp_path))), monitor.board, monitor.alerts, Past())
    return Told(monitor)


def rule(state: Message, name: str) -> Message:
    return next(one for one in state["rules"] if one["name"] == name)


def value(state: Message, name: str, key: str) -> tuple[object, str]:
    found = next(one for one in rule(state, name)["values"] if one["key"] == key)
    return found["value"], found["origin"]


def test_the_page_shows_every_rule_with_its_values_and_where_they_come_from(page: Told) -> None:
    state = page.context()["rules"].state  # pyright: ignore[reportAttributeAccessIssue]
    assert value(state, "zpool_capacity", "warning_percent") == (80, "default")
    assert (state["text"], state["problems"], state["hosts"]) == ("", [], ["pve-01"])
    assert value(state, "load", "on") == (False, "default")


def test_what_holds_on_a_host_is_shown_for_that_host(page: Told) -> None:
    asyncio.run(page.monitor.rules.save('[[scrub_age]]\nhost = "pve-*"\nmax_days = 9'))
    assert value(page.ask(action="show", host="")["state"], "scrub_age", "max_days") == (35, "default")
    of_host = page.ask(action="show", host="pve-01")["state"]
    assert value(of_host, "scrub_age", "max_days") == (9, "line 1, for hosts pve-*")
    assert page.ask(action="show", host="<nobody>")["state"]["host"] == ""


def test_a_text_is_checked_in_words(page: Told) -> None:
    assert page.ask(action="check", text="[[scrub_age]]\nmax_days = 9")["count"] == 1
    (problem,) = page.ask(action="check", text="[[scrub_age]]\nmax_days = 'x'")["problems"]
    assert problem == "line 2: scrub_age.max_days: Write a number from 0, not 'x'."


def test_a_change_goes_into_the_draft_and_holds_only_when_saved(page: Told) -> None:
    wish = {"rule": "scrub_age", "host": "pve-*", "subject": "tank", "values": {"max_days": 9}}
    draft = page.ask(action="put", text="# mine\n", **wish)["draft"]
    assert draft == '# mine\n[[scrub_age]]\nhost = "pve-*"\npool = "tank"\nmax_days = 9\n'
    assert page.monitor.rules.loaded.text == ""
    assert "done" in page.ask(action="save", text=draft)
    assert page.monitor.rules.loaded.text == draft


def test_a_change_that_cannot_be_used_is_told_and_changes_nothing(page: Told) -> None:
    wish = {"rule": "scrub_age", "host": "*", "subject": "*", "values": {"max_days": "soon"}}
    assert "Write a number" in page.ask(action="put", text="", **wish)["problems"][0]
    assert "reload" in page.ask(action="put", text="", rule="<b>", values={})["error"]
    assert "reload" in page.ask(action="nothing")["error"]
    assert page.ask(action="save", text="[[nothing]]")["problems"]


def test_a_rehearsal_is_told_with_moments_a_browser_reads(page: Told) -> None:
    text = "[[zpool_capacity]]\nwarning_percent = 88"
    told = page.ask(action="rehearse", text=text, days=7)["told"]
    assert (told["present"]["count"], told["edited"]["count"], told["samples"]) == (1, 0, 60)
    (row,) = told["alerts"]
    assert (row["change"], row["label"], isinstance(row["opened_at"], float)) == ("gone", "Zpool capacity", True)


def test_somebody_else_s_change_reaches_the_page(page: Told) -> None:
    page.context()
    assert list(page.refresh(None)) == []
    asyncio.run(page.monitor.rules.save("[[scrub_age]]\nmax_days = 9"))
    (message,) = page.refresh(None)
    assert message["state"]["text"] == "[[scrub_age]]\nmax_days = 9"
