"""The short way for messages of known agents: what it answers is what the usual way answers."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
import requests

from tests.builders import a_message, a_wire_sample
from tests.servers import Server

VARYING = {"Date", "Connection", "Vary"}
MESSAGES = {
    "stored": (a_message(), {}),
    "packed": (gzip.compress(a_message()), {"Content-Encoding": "gzip"}),
    "no JSON": (b"{", {}),
    "no such coding": (a_message(), {"Content-Encoding": "br"}),
    "a wrong value": (a_message(a_wire_sample(payload={"host": {"load1": "high"}})), {}),
    "nothing": (a_message(samples=[]), {}),
}


def known_host(server: Server, name: str) -> str:
    """Add a host whose token was seen before."""
    token = server.add_host(name)
    assert server.post(token, a_message(samples=[])).status_code == 200
    return token


def told(answer: requests.Response) -> tuple[int, Any, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING}
    return answer.status_code, answer.json(), headers


@pytest.mark.parametrize("message", MESSAGES)
def test_a_known_agent_is_answered_as_one_that_comes_for_the_first_time(server: Server, message: str) -> None:
    body, headers = MESSAGES[message]
    name = message.replace(" ", "-")
    first, known = server.add_host(f"first-{name}"), known_host(server, f"known-{name}")
    usual, short = (server.post(token, body, headers=headers) for token in (first, known))
    assert told(short) == told(usual)
    assert ("Vary" in usual.headers, "Vary" in short.headers) == (True, False)  # it was not Tornado's handler


def test_the_same_message_again_is_a_duplicate(server: Server) -> None:
    token = known_host(server, "twice")
    assert server.post(token, a_message()).json() == {"stored": 1, "duplicates": 0}
    assert server.post(token, a_message()).json() == {"stored": 0, "duplicates": 1}


def test_a_token_that_was_rotated_is_not_known_any_more(server: Server) -> None:
    token = known_host(server, "rotated")
    server.ask("POST", "/api/hosts/rotated/rotate")
    answer = server.post(token, a_message())
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="proxmon"')


def test_another_method_and_a_path_below_go_the_usual_way(server: Server) -> None:
    token = known_host(server, "other")
    assert server.ask("PUT", "/api/ingest", token).status_code == 405
    assert server.ask("POST", "/api/ingest/more", token).status_code == 404
    assert server.ask("POST", "/api/ingest?x=1", token, data=a_message()).json()["stored"] == 1
