"""The channel between a page and the server: one text for a batch, which any browser can read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dashboards.components import Channel


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect what a channel gives to Panel."""
    found: list[Any] = []
    monkeypatch.setattr(Channel, "_send_msg", lambda self, data: found.append(data))
    return found


def test_a_batch_is_one_text(sent: list[Any]) -> None:
    Channel().send([{"to": "cards", "put": [{"id": 1, "why": "Größe “tank”"}]}, {"to": "link", "now": 1.5}])
    (text,) = sent
    assert json.loads(text) == [{"to": "cards", "put": [{"id": 1, "why": "Größe “tank”"}]}, {"to": "link", "now": 1.5}]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_know_is_sent_as_not_known(number: float, sent: list[Any]) -> None:
    Channel().send([{"to": "chart", "values": [1.0, number]}])
    assert json.loads(sent[0]) == [{"to": "chart", "values": [1.0, None]}]


def test_half_a_surrogate_pair_is_sent_as_it_is(sent: list[Any]) -> None:
    Channel().send([{"to": "notice", "text": "/srv/\udcff"}])
    assert json.loads(sent[0]) == [{"to": "notice", "text": "/srv/\udcff"}]


def test_nothing_is_sent_when_there_is_nothing_to_say(sent: list[Any]) -> None:
    Channel().send([])
    assert sent == []
