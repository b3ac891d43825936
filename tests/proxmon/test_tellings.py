"""What a channel is owed of an alert, whatever happened to both."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from proxmon.alerts.channels import Channel
from proxmon.alerts.model import AlertEvent, EventKind, Severity
from proxmon.alerts.records import AlertRecord, fold
from proxmon.alerts.tellings import Owed, Telling, delivered, review
from tests.builders import NOW

MINUTE = timedelta(minutes=1)
OPENED = AlertEvent(1, 1, NOW, EventKind.OPENED, Severity.WARNING, "zpool_capacity", "zpool_capacity", "rpool", "full")
ESCALATED = replace(OPENED, kind=EventKind.ESCALATED, severity=Severity.CRITICAL)
EASED = replace(OPENED, kind=EventKind.EASED)
CLOSED = replace(OPENED, kind=EventKind.CLOSED)
UNTOLD = Telling(7, 1)
TOLD = replace(UNTOLD, told=Severity.WARNING)


def a_channel(**changes: Any) -> Channel:
    return Channel(**({"id": 7, "name": "mail", "url": "json://h/x", "service": "JSON", "created_at": NOW} | changes))


def a_record(*events: AlertEvent) -> AlertRecord:
    return fold(events)[1]


def look(
    telling: Telling,
    *events: AlertEvent,
    channel: Channel | None = None,
    is_quiet: bool = False,
    is_new: bool = False,
    host: str = "pve-01",
    now: datetime = NOW,
) -> Telling:
    chosen = channel or a_channel()
    return review(telling, chosen, a_record(*events), host, now, is_quiet=is_quiet, is_new=is_new)


def test_an_open_alert_is_owed_and_told_once() -> None:
    owed = look(UNTOLD, OPENED)
    assert (owed.owed, owed.owed_since) == (Owed.WARNING, NOW)
    told = delivered(replace(owed, attempts=1), Owed.WARNING)
    assert told == TOLD
    assert look(told, OPENED) == told


def test_an_alert_that_worsens_speaks_again_and_one_that_eases_does_not() -> None:
    assert look(TOLD, OPENED, ESCALATED).owed is Owed.CRITICAL
    worse = replace(TOLD, told=Severity.CRITICAL)
    eased = look(worse, OPENED, ESCALATED, EASED)
    assert (eased.owed, eased.told) == (Owed.NOTHING, Severity.WARNING)
    assert look(eased, OPENED, ESCALATED, EASED, ESCALATED).owed is Owed.CRITICAL


def test_the_end_is_told_to_who_was_told_of_the_beginning() -> None:
    owed = look(TOLD, OPENED, CLOSED)
    assert owed.owed is Owed.END
    assert delivered(owed, Owed.END).is_settled
    assert look(UNTOLD, OPENED, CLOSED).is_settled


def test_a_channel_without_ends_is_told_of_no_end() -> None:
    assert look(TOLD, OPENED, CLOSED, channel=a_channel(tells_ends=False)).is_settled


def test_what_ended_before_it_was_told_is_told_with_its_end_once() -> None:
    owed = look(UNTOLD, OPENED)
    assert look(owed, OPENED, CLOSED, channel=a_channel(tells_ends=False)).owed is Owed.END
    assert look(UNTOLD, OPENED, CLOSED, is_new=True).owed is Owed.END


def test_an_alert_that_somebody_knows_of_is_not_told_until_it_speaks_again() -> None:
    owed = look(UNTOLD, OPENED)
    held = look(owed, OPENED, is_quiet=True)
    assert held.is_settled
    assert look(held, OPENED, now=NOW + MINUTE).owed_since == NOW + MINUTE


def test_what_may_have_arrived_is_remembered_though_it_is_silenced_now() -> None:
    attempted = replace(look(UNTOLD, OPENED), attempts=1)
    held = look(attempted, OPENED, is_quiet=True)
    assert (held.owed, held.attempts) == (Owed.NOTHING, 1)
    assert look(held, OPENED).attempts == 1
    assert look(held, OPENED, CLOSED).owed is Owed.END


def test_what_came_up_while_a_message_was_sent_stays_owed() -> None:
    sending = replace(look(UNTOLD, OPENED), attempts=1)
    meanwhile = look(sending, OPENED, CLOSED)
    after = delivered(meanwhile, Owed.WARNING)
    assert (after.told, after.owed, after.attempts) == (Severity.WARNING, Owed.END, 0)


@pytest.mark.parametrize(
    ("channel", "host", "is_owed"),
    [
        (a_channel(severity=Severity.CRITICAL), "pve-01", False),
        (a_channel(hosts=("web-*", "pve-0?")), "pve-01", True),
        (a_channel(hosts=("web-*",)), "pve-01", False),
        (a_channel(hosts=("web-*",)), "", True),
    ],
)
def test_severity_and_hosts_choose(channel: Channel, host: str, is_owed: bool) -> None:
    assert (look(UNTOLD, OPENED, channel=channel, host=host).owed is Owed.WARNING) == is_owed
