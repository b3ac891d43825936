"""The short way for messages of known agents: what it answers is what the usual way answers."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

import pytest
import requests

from tests.builders import a_message, a_wire_sample
from tests.servers import Server

VARYING = {"Date", "Connection", "Vary"}
MESSAGES: dict[str, tuple[bytes, dict[str, str]]] = {
    "stored": (a_message(), {}),
    "packed": (gzip.compress(a_message()), {"Content-Encoding": "gzip"}),
    "no JSON": (b"{", {}),
    "empty": (b"", {}),
    "no such coding": (a_message(), {"Content-Encoding": "br"}),
    "a wrong value": (a_message(a_wire_sample(payload={"host": {"load1": "high"}})), {}),
    "nothing": (a_message(samples=[]), {}),
}
NOTHING = a_message(samples=[])


class Agent:
    """A host's agent that keeps its connection, which the server took over after the second message."""

    def __init__(self, server: Server, name: str) -> None:
        self.url, self.token, self.session = server.url, server.add_host(name), requests.Session()
        for _ in range(2):
            assert self.post(NOTHING).status_code == 200
        assert self.is_on_the_short_way()

    def post(self, body: bytes | Iterator[bytes], **headers: str) -> requests.Response:
        fields = {"Authorization": f"Bearer {self.token}", **headers}
        return self.session.post(f"{self.url}/api/ingest", data=body, headers=fields, timeout=30)

    def is_on_the_short_way(self) -> bool:
        """Tell whether Tornado's handler, which compresses, has no part in it."""
        return "Vary" not in self.post(NOTHING).headers


@contextmanager
def a_raw_connection(agent: Agent) -> Generator[socket.socket]:
    """Give a connection on which the server took over."""
    netloc = agent.url.removeprefix("http://")
    host, _, port = netloc.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        for _ in range(2):
            raw.sendall(a_request(agent, NOTHING))
            assert answers(raw, 1)[0].startswith(b"HTTP/1.1 200")
        yield raw


def a_request(agent: Agent, body: bytes, line: str = "POST /api/ingest HTTP/1.1", more: str = "") -> bytes:
    fields = f"Host: x\r\nAuthorization: Bearer {agent.token}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return f"{line}\r\n{fields}".encode() + body


def answers(raw: socket.socket, count: int) -> list[bytes]:
    """Return the next answers, whose bodies end with a brace."""
    content = b""
    while content.count(b"HTTP/1.1 ") < count or not content.endswith(b"}"):
        part = raw.recv(65_536)
        assert part, content
        content += part
    return [b"HTTP/1.1 " + one for one in content.split(b"HTTP/1.1 ")[1:]]


def told(answer: requests.Response) -> tuple[int, Any, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING}
    return answer.status_code, answer.json(), headers


@pytest.mark.parametrize("message", MESSAGES)
def test_a_known_agent_is_answered_as_one_that_comes_for_the_first_time(server: Server, message: str) -> None:
    body, headers = MESSAGES[message]
    name = message.replace(" ", "-")
    usual = server.post(server.add_host(f"first-{name}"), body, headers=headers)
    known = Agent(server, f"known-{name}")
    assert told(known.post(body, **headers)) == told(usual)
    assert known.is_on_the_short_way()


def test_the_same_message_again_is_a_duplicate(server: Server) -> None:
    agent = Agent(server, "twice")
    assert agent.post(a_message()).json() == {"stored": 1, "duplicates": 0}
    assert agent.post(a_message()).json() == {"stored": 0, "duplicates": 1}


def test_a_token_that_was_rotated_is_not_known_any_more(server: Server) -> None:
    agent = Agent(server, "rotated")
    server.ask("POST", "/api/hosts/rotated/rotate")
    answer = agent.post(a_message())
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="proxmon"')


def test_another_token_on_the_same_connection_is_another_host(server: Server) -> None:
    agent = Agent(server, "shared")
    agent.token = server.add_host("shared-too")
    assert agent.post(a_message()).json()["stored"] == 1
    assert server.ask("GET", "/api/hosts/shared-too").json()["status"] != "offline"
    assert server.ask("GET", "/api/hosts/shared").json()["samples"] == {}


def test_what_is_no_plain_message_goes_the_usual_way_on_the_same_connection(server: Server) -> None:
    agent = Agent(server, "mixed")
    with a_raw_connection(agent) as raw:
        for line, status in (
            ("GET /healthz HTTP/1.1", b"200"),
            ("PUT /api/ingest HTTP/1.1", b"405"),
            ("POST /api/ingest/more HTTP/1.1", b"404"),
        ):
            raw.sendall(a_request(agent, b"", line))
            assert answers(raw, 1)[0].startswith(b"HTTP/1.1 " + status)
            raw.sendall(a_request(agent, NOTHING))  # and back again
            assert b"Vary" not in answers(raw, 1)[0]


def test_a_message_in_chunks_goes_the_usual_way(server: Server) -> None:
    agent = Agent(server, "chunked")
    body = a_message()
    assert agent.post(iter([body[:100], body[100:]])).json()["stored"] == 1


def test_a_message_that_is_too_large_is_refused(server: Server) -> None:
    agent = Agent(server, "too-large")
    answer = agent.post(b" " * (65 * 2**20))
    assert (answer.status_code, "Send less" in answer.json()["error"]) == (413, True)


def test_messages_that_come_together_are_answered_in_turn(server: Server) -> None:
    agent = Agent(server, "together")
    with a_raw_connection(agent) as raw:
        first, second = (a_message(a_wire_sample(collected_at=f"2026-11-2{day}T00:00:00Z")) for day in (1, 2))
        health = a_request(agent, b"", "GET /healthz HTTP/1.1")
        raw.sendall(b"".join([*(a_request(agent, body) for body in (first, b"{", first, second)), health]))
        bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers(raw, 5)]
    assert b"JSON" in bodies.pop(1)
    assert bodies == [b'{"stored":1,"duplicates":0}', b'{"stored":0,"duplicates":1}', *bodies[2:]]
    assert bodies[2:] == [b'{"stored":1,"duplicates":0}', b'{"status":"ok"}']


def test_a_message_may_come_in_pieces(server: Server) -> None:
    agent = Agent(server, "pieces")
    with a_raw_connection(agent) as raw:
        request = a_request(agent, a_message())
        for begin in range(0, len(request), 97):
            raw.sendall(request[begin : begin + 97])
        assert b'"stored":1' in answers(raw, 1)[0]


def test_whoever_leaves_before_the_answer_leaves_no_trace(server: Server) -> None:
    agent = Agent(server, "gone")
    with a_raw_connection(agent) as raw:
        raw.sendall(a_request(agent, a_message()))
    with a_raw_connection(agent) as raw:
        raw.sendall(a_request(agent, a_message())[:-10])
    assert agent.post(a_message()).json() == {"stored": 0, "duplicates": 1}
    assert "agentconnection.py" not in server.log()  # what a traceback would name


@pytest.mark.parametrize(
    "field",
    [
        "Content-Length: 3\r\n",
        "Content-Length : 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "X-Folded: one\r\n two\r\n",
        "X-Bare: one\rtwo\r\n",
        "No field\r\n",
    ],
)
def test_a_request_of_doubtful_form_is_judged_by_tornado(server: Server, field: str) -> None:
    """What it says of such a request is no matter here, only that no second reader of HTTP says something else."""
    agent = Agent(server, f"doubtful-{token_hex(4)}")
    request = a_request(agent, NOTHING, more=field)
    with a_raw_connection(agent) as raw, a_raw_connection(agent) as fresh:
        fresh.sendall(a_request(agent, b"", "GET /healthz HTTP/1.1"))
        answers(fresh, 1)  # Tornado has this one
        got = []
        for one in (raw, fresh):
            one.sendall(request)
            got.append(one.recv(65_536).partition(b"\r\n")[0])
    assert got[0] == got[1]
