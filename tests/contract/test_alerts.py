"""``/api/alerts`` and the alerts in ``/metrics``, over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from proxmon.alerts.links import LinkSigner
from tests.builders import a_fast_payload, a_message, a_pool, a_wire_sample, iso
from tests.servers import Server
from tests.waiting import wait_for

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
    wait_for(lambda: b"zpool_health" in own_server.ask("POST", "/api/query", json={"sql": "FROM alerts"}).content)
    own_server.stop()
    own_server.start()
    send(own_server, token, BROKEN, times=3)
    (alert,) = alerts(own_server)
    assert [event["kind"] for event in alert["events"]] == ["opened"]


# acknowledge and silence


def acknowledge(server: Server, alert_id: int, **body: Any) -> requests.Response:
    return server.ask("POST", f"/api/alerts/{alert_id}/acknowledgement", json=body)


def test_an_acknowledged_alert_says_who_and_why(server: Server, name: str) -> None:
    (alert,) = alerts(server, host=name)
    answer = acknowledge(server, alert["id"], reason="disk is ordered")
    assert answer.status_code == 200
    (known,) = alerts(server, host=name)
    assert (known["state"], known["acknowledged"]["reason"]) == ("acknowledged", "disk is ordered")
    assert server.ask("DELETE", f"/api/alerts/{alert['id']}/acknowledgement").status_code == 204
    assert alerts(server, host=name)[0]["state"] == "open"


def test_what_is_over_or_never_was_cannot_be_acknowledged(server: Server) -> None:
    assert acknowledge(server, 999_999).status_code == 404
    assert acknowledge(server, 999_999, until="2020-01-01T00:00Z").status_code == 422


@pytest.mark.parametrize("number", ["9223372036854775808", "9" * 5000])
def test_a_number_of_any_length_is_that_of_nothing(server: Server, number: str) -> None:
    for method, path in (
        ("POST", f"/api/alerts/{number}/acknowledgement"),
        ("DELETE", f"/api/alerts/{number}/acknowledgement"),
        ("DELETE", f"/api/silences/{number}"),
    ):
        answer = server.ask(method, path)
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("Choose one of the ")
    answer = server.ask("POST", "/api/rules/rehearsal", data=f'{{"text": "", "days": {number[:400]}}}')
    assert answer.status_code == 422


def test_a_silence_marks_the_alerts_it_covers_until_it_is_ended(server: Server, name: str) -> None:
    made = server.ask("POST", "/api/silences", json={"host": name, "reason": "work"})
    assert made.status_code == 201
    assert alerts(server, host=name)[0]["silenced_by"] == made.json()["id"]
    assert made.json() in server.ask("GET", "/api/silences").json()["silences"]
    assert server.ask("DELETE", f"/api/silences/{made.json()['id']}").status_code == 204
    assert alerts(server, host=name)[0]["silenced_by"] is None
    assert server.ask("DELETE", f"/api/silences/{made.json()['id']}").status_code == 404


def test_a_reader_sees_silences_and_makes_none(server: Server, name: str) -> None:
    token = server.ask("POST", "/api/tokens", json={"name": f"r-{name}", "role": "reader"}).json()["token"]
    assert server.ask("GET", "/api/silences", token).status_code == 200
    assert server.ask("POST", "/api/silences", token, json={"host": "x"}).status_code == 403
    (alert,) = alerts(server, host=name)
    path = f"/api/alerts/{alert['id']}/acknowledgement"
    assert server.ask("POST", path, token, json={}).status_code == 403
    assert server.ask("DELETE", path, token).status_code == 403


def link_of(server: Server, alert_id: int) -> str:
    """Return the link that a message about the alert has."""
    signer = LinkSigner((server.data / "links.key").read_text().strip())
    return f"{server.url}/acknowledge/{signer.sign(alert_id, datetime.now(UTC))}"


def test_a_message_s_link_asks_first_and_acknowledges_that_alert_only(server: Server, name: str) -> None:
    (alert,) = alerts(server, host=name)
    link = link_of(server, alert["id"])
    asked = requests.get(link, timeout=10)
    assert asked.status_code == 200
    assert "Acknowledge this alert?" in asked.text
    assert alerts(server, host=name)[0]["state"] == "open"
    assert "Nobody is told again" in requests.post(link, timeout=10).text
    assert alerts(server, host=name)[0]["state"] == "acknowledged"
    forged = requests.post(link[:-1] + ("A" if link[-1] != "A" else "B"), timeout=10)
    assert forged.status_code == 401
    assert requests.get(f"{server.url}/api/alerts", cookies=asked.cookies, timeout=10).status_code == 401


def test_a_message_s_link_acknowledges_with_a_reason_and_an_end(server: Server, name: str) -> None:
    (alert,) = alerts(server, host=name)
    wish = {"deed": "acknowledge", "hours": "8", "reason": "disk ordered"}
    assert requests.post(link_of(server, alert["id"]), wish, timeout=10).ok
    known = alerts(server, host=name)[0]["acknowledged"]
    assert (known["reason"], known["by"]) == ("disk ordered", "somebody with the message's link")
    assert timedelta(hours=7) < datetime.fromisoformat(known["until"]) - datetime.now(UTC) <= timedelta(hours=8)


def test_a_silence_from_a_message_s_link_always_has_an_end(server: Server, name: str) -> None:
    (alert,) = alerts(server, host=name)
    assert "for a day" in requests.post(link_of(server, alert["id"]), {"deed": "silence-alert"}, timeout=10).text
    made = server.ask("GET", "/api/silences").json()["silences"][-1]
    assert datetime.fromisoformat(made["until"]) - datetime.now(UTC) <= timedelta(days=1)
    assert server.ask("DELETE", f"/api/silences/{made['id']}").ok


@pytest.mark.parametrize("deed", ["silence-alert", "silence-host"])
def test_a_message_s_link_silences_for_a_while(server: Server, name: str, deed: str) -> None:
    (alert,) = alerts(server, host=name)
    link = link_of(server, alert["id"])
    assert requests.post(link, {"deed": deed, "hours": "1000"}, timeout=10).status_code == 422
    assert requests.post(link, {"deed": deed, "hours": "1", "reason": "moving"}, timeout=10).ok
    covering = alerts(server, host=name)[0]["silenced_by"]
    (made,) = [one for one in server.ask("GET", "/api/silences").json()["silences"] if one["id"] == covering]
    assert (made["reason"], made["host"] == name, made["alert"] == alert["id"]) == (
        "moving",
        deed == "silence-host",
        deed == "silence-alert",
    )
    assert server.ask("DELETE", f"/api/silences/{made['id']}").ok


def test_acknowledgements_and_silences_outlive_the_server(own_server: Server) -> None:
    token = own_server.add_host("pve-01")
    send(own_server, token, BROKEN, times=3)
    (alert,) = alerts(own_server)
    assert acknowledge(own_server, alert["id"], reason="known").ok
    assert own_server.ask("POST", "/api/silences", json={"host": "pve-*"}).ok
    own_server.stop()
    own_server.start()
    send(own_server, token, BROKEN, times=5)
    (again,) = alerts(own_server)
    assert (again["id"], again["state"], again["acknowledged"]["reason"]) == (alert["id"], "acknowledged", "known")
    assert again["silenced_by"] == 1
