"""Messages of a real server to a real mail server and a real webhook, also when it is killed in between."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from proxmon.alerts.messages import REPETITION
from tests.builders import a_fast_payload, a_message, a_pool, a_wire_sample, iso
from tests.counterparts import Webhook, a_mailbox, a_webhook
from tests.servers import Server
from tests.waiting import wait_for

BROKEN = a_fast_payload(zfs_pools={"pools": [a_pool(health="DEGRADED")]})
SECRETS = ("swordfish", "T0KEN-of-the-hook")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Give a server that may be killed."""
    running = Server(tmp_path / "data", environment={"PROXMON_PUBLIC_URL": "https://mon.example"}).start()
    yield running
    running.stop()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with a_webhook() as hook:
        yield hook


def break_pool(server: Server, name: str = "pve-01") -> None:
    """Let a host say that its pool is broken until that is an alert."""
    token = server.add_host(name)
    for _ in range(3):
        assert server.post(token, a_message(a_wire_sample(collected_at=iso(datetime.now(UTC)), payload=BROKEN))).ok
    wait_for(lambda: server.ask("GET", "/api/alerts", params={"host": name}).json()["alerts"])


def add(server: Server, name: str, url: str, **more: Any) -> None:
    answer = server.ask("POST", "/api/channels", json={"name": name, "url": url, **more})
    assert answer.status_code == 201, answer.text


def test_an_alert_reaches_a_mail_server_and_a_webhook(own_server: Server, webhook: Webhook) -> None:
    with a_mailbox() as mailbox:
        add(own_server, "mail", mailbox.url)
        add(own_server, "hook", webhook.url)
        break_pool(own_server)
        (mail,) = mailbox.wait(1)
        (posted,) = webhook.wait(1)
    assert mail["subject"] == posted["title"] == "[critical] pve-01: rpool is DEGRADED"
    assert mail["to"] == "alice@mon.example"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "https://mon.example/hosts/pve-01?at=" in body.get_content().replace("=\n", "")
    (link,) = [line for line in posted["message"].splitlines() if line.startswith("Acknowledge: ")]
    page = own_server.ask("POST", link.partition("https://mon.example")[2])
    assert page.ok
    (alert,) = own_server.ask("GET", "/api/alerts").json()["alerts"]
    assert alert["state"] == "acknowledged"


def test_killed_between_the_alert_and_its_message_the_server_tells_it_after_its_start(
    own_server: Server, webhook: Webhook
) -> None:
    add(own_server, "hook", webhook.url)
    break_pool(own_server)
    own_server.stop(signal.SIGKILL)  # well within the seconds for which alerts are gathered
    assert webhook.got == []
    own_server.start()
    (posted,) = webhook.wait(1)
    assert "rpool is DEGRADED" in posted["title"]
    assert REPETITION not in posted["message"]


def test_killed_between_the_message_and_its_record_the_server_repeats_it_and_says_so(
    own_server: Server, webhook: Webhook
) -> None:
    add(own_server, "hook", webhook.url)
    webhook.is_holding = True
    break_pool(own_server)
    (first,) = webhook.wait(1)
    own_server.stop(signal.SIGKILL)
    webhook.is_holding = False
    own_server.start()
    second = webhook.wait(2)[1]
    assert first["title"] == second["title"]
    assert REPETITION not in first["message"]
    assert REPETITION in second["message"]


def test_an_address_is_written_only(server: Server, webhook: Webhook) -> None:
    add(server, "written-only", webhook.url, hosts="nobody")
    listed = server.ask("GET", "/api/channels")
    (channel,) = [one for one in listed.json()["channels"] if one["name"] == "written-only"]
    assert (channel["service"], channel["severity"], channel["hosts"]) == ("JSON", "warning", "nobody")
    webhook.status = 500
    refused = server.ask("POST", "/api/channels/written-only/test")
    assert refused.status_code == 502
    webhook.status = 200
    assert server.ask("POST", "/api/channels/written-only/test").json() == {"name": "written-only", "accepted": True}
    changed = server.ask("PATCH", "/api/channels/written-only", json={"severity": "critical"})
    assert changed.json()["severity"] == "critical"
    metrics = server.ask("GET", "/metrics").text
    assert 'proxmon_channel_failures{channel="written-only"} 0.0' in metrics
    query = "SELECT * FROM duckdb_tables()"
    told = server.ask("POST", "/api/query", json={"sql": query}).content.decode(errors="replace")
    for text in (metrics, listed.text, refused.text, changed.text, told, server.log()):
        assert not any(secret in text for secret in SECRETS)
    assert server.ask("DELETE", "/api/channels/written-only").status_code == 204
    assert server.ask("POST", "/api/channels/written-only/test").status_code == 404


def test_the_heartbeat_beats_while_the_server_runs(tmp_path: Path, webhook: Webhook) -> None:
    address = webhook.url.replace("json://alice:swordfish@", "http://")
    running = Server(tmp_path / "data", environment={"PROXMON_HEARTBEAT_URL": address}).start()
    assert webhook.wait(1)[0]["path"] == "/T0KEN-of-the-hook"
    running.stop()
    assert "T0KEN" not in running.log()


def test_a_service_that_hangs_does_not_hold_up_the_server_s_end(own_server: Server, webhook: Webhook) -> None:
    add(own_server, "hook", f"{webhook.url}?rto=60")
    webhook.is_holding = True
    break_pool(own_server)
    webhook.wait(1)
    own_server.stop()
    assert own_server.process is not None
    assert own_server.process.returncode == 0
    webhook.is_holding = False
    own_server.start()
    assert REPETITION in webhook.wait(2)[1]["message"]
