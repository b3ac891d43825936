"""``/api/events`` over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.builders import a_fast_payload, a_pool
from tests.servers import Server


def say(server: Server, token: str, moment: str, **pool: Any) -> None:
    """Send a sample of a host with one pool."""
    payload = a_fast_payload(zfs_pools={"pools": [a_pool(**pool)]})
    sample = {"tier": "fast", "collected_at": moment, "payload": payload}
    assert server.post(token, {"interval_s": 10, "sent_at": moment, "samples": [sample]}).status_code == 200


def test_events_tell_what_happened_to_a_host_the_newest_first(server: Server) -> None:
    token = server.add_host("pve-events")
    say(server, token, "2026-11-22T20:00:00Z")
    say(server, token, "2026-11-22T20:00:10Z", health="DEGRADED")

    def ask(**query: Any) -> list[dict[str, Any]]:
        return server.ask("GET", "/api/events", params={"host": "pve-events"} | query).json()["events"]

    statuses = ask(kind="statuses")
    assert statuses[0]["became"] == "critical"
    assert "rpool is DEGRADED" in statuses[0]["message"]
    assert ask(kind=["added", "rotated"])[0]["kind"] == "added"
    assert ask(kind="findings")[0].items() >= {"rule": "zpool_health", "subject": "rpool", "became": "critical"}.items()
    assert ask(until=statuses[-1]["happened_at"], kind="statuses") == []
    assert ask(at="2020-01-01T00:00Z") == []
    [health] = [one for one in server.host("pve-events")["findings"] if one["rule"] == "zpool_health"]
    assert health["since"] == statuses[0]["happened_at"]


@pytest.mark.parametrize(
    "query", [{"kind": "no-kind"}, {"limit": "0"}, {"limit": "x"}, {"limit": "9" * 5000}, {"since": "yesterday"}]
)
def test_a_question_that_cannot_be_understood_says_what_to_send(server: Server, query: dict[str, str]) -> None:
    refused = server.ask("GET", "/api/events", params=query)
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("Send ")


def test_mallory_sees_no_events(server: Server) -> None:
    assert requests.get(f"{server.url}/api/events", timeout=10).status_code == 401


def test_the_past_can_be_asked_for_as_it_was_collected(server: Server) -> None:
    past = {"at": "2020-01-01T00:00Z"}
    assert server.ask("GET", "/api/hosts", params=past | {"as": "collected"}).json()["hosts"] == []
    assert server.ask("GET", "/api/hosts", params=past | {"as": "dreamt"}).status_code == 422
