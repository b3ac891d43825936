"""What messages say, and what they never say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from proxmon.alerts.messages import MOST_CHARACTERS, MOST_DATED, NO_LINKS, REPETITION, Composer, Item
from proxmon.alerts.model import EventKind, Severity
from proxmon.alerts.orders import without_secrets
from proxmon.alerts.records import fold
from proxmon.alerts.senders import AppriseSender
from proxmon.alerts.tellings import Owed
from tests.builders import NOW, an_opened_alert

COMPOSER = Composer("https://mon.example/proxmon", lambda alert_id: f"token-{alert_id}")
OPENED = an_opened_alert(
    alert_id=3,
    severity=Severity.CRITICAL,
    cause="zpool_devices",
    rule="zpool_health",
    subject="rpool",
    message="rpool is DEGRADED",
    value="DEGRADED",
    threshold="critical for any other word than ONLINE",
    clears_when="Replace the disk.",
    began_at=NOW - timedelta(minutes=2),
    unit="",
)


def an_item(
    host: str = "pve-01", owed: Owed = Owed.CRITICAL, *, is_repetition: bool = False, **changes: object
) -> Item:
    event = replace(OPENED, **changes)  # pyright: ignore[reportArgumentType]
    closed = replace(event, kind=EventKind.CLOSED, detail="rpool is ONLINE")
    events = [event, closed] if owed is Owed.END else [event]
    return Item(fold(events)[event.alert_id], host, owed, is_repetition)


def test_a_message_says_what_where_since_when_how_much_and_what_helps() -> None:
    message = COMPOSER.compose([an_item()], NOW + timedelta(minutes=1))
    assert message.title == "[critical] pve-01: rpool is DEGRADED"
    assert message.body.splitlines() == [
        "rpool is DEGRADED.",
        "Host: pve-01",
        "Rule: zpool_health, rpool",
        "Since: 2026-11-22 19:58:00 UTC (3 min)",
        "Measured: DEGRADED",
        "Threshold: critical for any other word than ONLINE",
        "What helps: Replace the disk.",
        "The host at that moment: https://mon.example/proxmon/hosts/pve-01?at=2026-11-22T20:00:01Z",
        "Acknowledge: https://mon.example/proxmon/acknowledge/token-3",
    ]


def test_an_end_says_so_and_offers_nothing_to_acknowledge() -> None:
    message = COMPOSER.compose([an_item(owed=Owed.END)], NOW)
    assert message.title == "[ended] pve-01: rpool is DEGRADED"
    assert "From 2026-11-22 19:58:00 UTC to 2026-11-22 20:00:00 UTC (2 min)" in message.body
    assert "Ended: rpool is ONLINE" in message.body
    assert "Acknowledge" not in message.body
    assert message.severity is None


def test_without_a_public_address_a_message_says_how_to_have_links() -> None:
    message = Composer("", lambda _: "").compose([an_item()], NOW)
    assert "http" not in message.body
    assert message.body.endswith(NO_LINKS)


def test_a_possible_repetition_is_marked() -> None:
    assert COMPOSER.compose([an_item(is_repetition=True)], NOW).body.endswith(REPETITION)


def test_ten_hosts_that_are_offline_are_one_message() -> None:
    items = [
        an_item(
            f"pve-{number:02}", alert_id=number, rule="offline", subject="", value=31.0, message="No sample for 31 s"
        )
        for number in range(1, 11)
    ]
    message = COMPOSER.compose(items, NOW)
    assert message.title == "[critical] 10 hosts offline: pve-01, pve-02, pve-03, pve-04, pve-05 and 5 more"


def test_a_few_alerts_are_told_in_full_in_one_message() -> None:
    items = [an_item(), an_item("pve-02", Owed.WARNING, alert_id=4), an_item("pve-03", Owed.END, alert_id=5)]
    message = COMPOSER.compose(items, NOW)
    assert message.title == "3 alerts: 1 critical, 1 warning, 1 ended"
    assert [line for line in message.body.splitlines() if line.startswith("[")] == [
        "[critical] pve-01",
        "[warning] pve-02",
        "[ended] pve-03",
    ]
    assert [message.body.count(words) for words in ("What helps: ", "Acknowledge: ", "/hosts/")] == [2, 2, 3]
    assert len(message.body) < 2000


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("No sample for 30 s", "Offline: no sample"),
        ("The agent was stopped 0 s ago", "Offline: the agent was stopped"),
        ("No sample for 1.5 h", "Offline: no sample"),
    ],
)
def test_a_message_does_not_say_how_long_ago_something_was_when_it_opened(message: str, title: str) -> None:
    item = an_item(rule="offline", subject="", value=31.0, message=message)
    assert COMPOSER.compose([item], NOW).title == f"[critical] pve-01: {title}"


def test_many_alerts_are_a_digest_with_the_worst_first_and_a_link_for_each() -> None:
    items = [an_item(f"pve-{number:02}", Owed.WARNING, alert_id=number) for number in range(1, 30)]
    message = COMPOSER.compose([*items, an_item("pve-99", alert_id=30)], NOW)
    assert message.title == "30 alerts: 1 critical, 29 warning"
    lines = message.body.splitlines()
    assert lines[:4] == [
        "[critical] pve-99: rpool is DEGRADED",
        "  Since: 2026-11-22 19:58:00 UTC (2 min)",
        "  https://mon.example/proxmon/hosts/pve-99?at=2026-11-22T20:00:01Z",
        "[warning] pve-01: rpool is DEGRADED",
    ]
    for host in ("pve-99", *(f"pve-{number:02}" for number in range(1, 30))):
        (place,) = [number for number, line in enumerate(lines) if line.endswith(f" {host}: rpool is DEGRADED")]
        assert any(f"/hosts/{host}?at=" in line for line in lines[place + 1 : place + 3])
    assert sum(line.startswith("  Since") for line in lines) == MOST_DATED
    assert lines[-1] == "All alerts: https://mon.example/proxmon/alerts"


def test_ten_alerts_with_their_links_fit_what_most_services_take() -> None:
    items = [an_item(f"pve-edge-{number:02}", Owed.WARNING, alert_id=number) for number in range(1, 11)]
    assert len(COMPOSER.compose(items, NOW).body) < 2000


def test_what_is_more_than_a_message_holds_is_counted() -> None:
    items = [an_item(f"pve-{number:04}", Owed.WARNING, alert_id=number, message="x" * 900) for number in range(1, 1001)]
    body = COMPOSER.compose(items, NOW).body
    told = body.count("[warning]")
    assert told > MOST_DATED
    assert f"… and {1000 - told} more." in body
    assert len(body) < MOST_CHARACTERS + 200


def test_in_a_digest_an_alert_of_the_server_leads_to_the_page_of_alerts() -> None:
    items = [an_item(f"pve-0{number}", Owed.WARNING, alert_id=number) for number in range(1, 4)]
    body = COMPOSER.compose([*items, an_item("", rule="channel", message="It fails", alert_id=9, host_id=0)], NOW).body
    assert body.splitlines()[2] == "  https://mon.example/proxmon/alerts"


def test_text_of_others_begins_no_line_and_calls_nobody() -> None:
    message = COMPOSER.compose([an_item(message="x\r\nBcc: mallory@evil.example\n@everyone")], NOW)
    assert "\n" not in message.title
    assert "@everyone" not in message.title + message.body
    assert "\nBcc" not in message.body


def test_an_alert_of_the_server_itself_has_no_host_page() -> None:
    message = COMPOSER.compose([an_item("", rule="channel", value=None, host_id=0)], NOW)
    assert message.title.startswith("[critical] proxmon: ")
    assert "/hosts/" not in message.body


def test_the_end_of_a_deleted_host_s_alert_is_not_taken_for_one_of_the_server() -> None:
    assert COMPOSER.compose([an_item("", Owed.END)], NOW).title == "[ended] a deleted host: rpool is DEGRADED"


def test_a_reason_of_apprise_keeps_the_secrets_of_its_address() -> None:
    url = "json://alice:sw%20ordfish@hooks.example/T0KEN-123?key=abcdefgh"
    said = "POST to hooks.example/T0KEN-123?key=abcdefgh as alice:sw ordfish (sw%20ordfish) failed"
    kept = without_secrets(said, url)
    assert "hooks.example" in kept
    for secret in ("T0KEN-123", "abcdefgh", "ordfish", "alice"):
        assert secret not in kept


def test_an_address_is_checked_without_using_it() -> None:
    sender = AppriseSender()
    assert sender.name_service("json://127.0.0.1:9/x") == "JSON"
    assert sender.name_service("mailto://127.0.0.1:2525?from=a@b.example&to=c@d.example") == "E-Mail"
    assert sender.name_service("no address") is None
    assert sender.name_service("bogus://x") is None
