"""``/api/alerts`` and the alerts in ``/metrics``, over HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.builders import a_fast_payload, a_message, a_pool, a_wire_sample, iso
from tests.servers import Server

BROKEN = a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED")]})


def send(server: Server, token: str, payload: dict[str, Any], times: int = 1) -> None:
    """Post fast samples one after the other, as an agent does."""
    for _ in range(times):
        sample = a_wire_sample(collected_at=iso(datetime.now(UTC)), payload=payload)
        assert server.post(token, a_message(sample)).ok


def alerts(server: Server, **query: str) -> list[dict[str, Any]]:
    return server.ask("GET", "/api/alerts", params=query).json()["alerts"]


@pytest.fixture
def name(server: Server) -> str:
    """Give the name of a host with a broken pool."""
    name = f"pve-{uuid.uuid4().hex[:8]}"
    send(server, server.add_host(name), BROKEN, times=3)
    return name


def test_an_alert_is_told_with_its_moments(server: Server, name: str) -> None:
    (alert,) = alerts(server, host=name)
    assert (alert["rule"], alert["subject"], alert["severity"], alert["state"]) == (
        "zpool_health",
        "rpool",
        "critical",
        "open",
    )
    assert alert["value"] == "DEGRADED"
    assert [event["kind"] for event in alert["events"]] == ["opened"]


def test_alerts_are_chosen_by_state_severity_and_rule(server: Server, name: str) -> None:
    assert len(alerts(server, host=name, state="open", severity="critical", rule="zpool_health")) == 1
    for other in ({"state": "closed"}, {"severity": "warning"}, {"rule": "offline"}):
        assert alerts(server, host=name, **other) == []
    refused = server.ask("GET", "/api/alerts", params={"state": "bad"})
    assert (refused.status_code, refused.json()["error"]) == (422, "Send state as one of open, acknowledged, closed.")


def test_before_it_opened_there_was_no_alert(server: Server, name: str) -> None:
    assert alerts(server, host=name, at=iso(datetime.now(UTC) - timedelta(hours=1))) == []


def test_the_metrics_count_alerts(server: Server, name: str) -> None:
    text = server.ask("GET", "/metrics").text
    line = next(
        line for line in text.splitlines() if line.startswith('proxmon_alerts{severity="critical",state="open"}')
    )
    assert float(line.split()[-1]) >= 1


def test_mallory_sees_no_alert(server: Server) -> None:
    assert requests.get(f"{server.url}/api/alerts", timeout=10).status_code == 401


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "data").start()
    yield running
    running.stop()


def test_an_open_alert_outlives_the_server(own_server: Server) -> None:
    token = own_server.add_host("pve-01")
    send(own_server, token, BROKEN, times=3)
    until = time.monotonic() + 20
    while not own_server.ask("POST", "/api/query", json={"sql": "FROM alerts"}).content.count(b"zpool_health"):
        assert time.monotonic() < until, "the alert was not stored"
    own_server.stop()
    own_server.start()
    send(own_server, token, BROKEN, times=3)
    (alert,) = alerts(own_server)
    assert [event["kind"] for event in alert["events"]] == ["opened"]
