"""Alerts as they are stored: every moment is kept, and the views tell what follows from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from proxmon.alerts.model import EventKind, Severity
from proxmon.events import MAX_CHARACTERS
from proxmon.fleet import Host
from storage import Store
from tests.builders import DAY, NOW, an_opened_alert
from tests.storage.conftest import Query

MINUTE = timedelta(minutes=1)
OPENED = an_opened_alert()
WORSE = replace(OPENED, kind=EventKind.ESCALATED, severity=Severity.CRITICAL, happened_at=NOW + MINUTE)
CLOSED = replace(WORSE, kind=EventKind.CLOSED, happened_at=NOW + 5 * MINUTE, detail="tank is 70 % full")
OTHER = replace(OPENED, alert_id=2, rule="zpool_health", value="DEGRADED", subject="rpool")


def test_events_come_back_as_they_were(store: Store, host: Host) -> None:
    events = [OPENED, OTHER, WORSE, CLOSED]
    store.alerts.add_events(events)
    assert store.alerts.list_events(NOW - DAY) == events
    assert store.alerts.newest_id() == 2


def test_an_alert_that_ended_long_ago_is_left_out(store: Store, host: Host) -> None:
    store.alerts.add_events([OPENED, OTHER, WORSE, CLOSED])
    assert store.alerts.list_events(NOW + 6 * MINUTE) == [OTHER]


def test_a_past_moment_knows_nothing_of_what_came_later(store: Store, host: Host) -> None:
    store.alerts.add_events([OPENED, OTHER, WORSE, CLOSED])
    assert store.alerts.list_events(NOW - DAY, NOW + MINUTE) == [OPENED, OTHER, WORSE]


def test_the_views_tell_what_the_events_make(store: Store, host: Host, query: Query) -> None:
    store.alerts.add_events([OPENED, OTHER, WORSE, CLOSED])
    columns = "host, alert_id, state, severity, worst_severity, subject, value, value_text, event_count"
    assert query(f"SELECT {columns} FROM alerts ORDER BY alert_id") == [
        ("pve-01", 1, "closed", "critical", "critical", "tank", 85.0, None, 3),
        ("pve-01", 2, "open", "warning", "warning", "rpool", None, "DEGRADED", 1),
    ]


def test_alerts_survive_the_store_s_end(store: Store, host: Host, directory: Path) -> None:
    store.alerts.add_events([OPENED])
    store.close()
    again = Store.open(directory)
    assert again.alerts.list_events(NOW - DAY) == [OPENED]
    again.close()


def test_a_host_that_is_deleted_with_its_history_leaves_no_alert(store: Store, host: Host) -> None:
    store.alerts.add_events([OPENED])
    store.delete_host(host.id, NOW, keep_history=False)
    assert store.alerts.list_events(NOW - DAY) == []


def test_long_texts_of_before_are_read_cut(store: Store, host: Host) -> None:
    store.alerts.add_events([OPENED, OTHER])
    with store._database.writer().cursor() as cursor:
        long = "repeat('x', 100000)"
        cursor.execute(f"UPDATE base.alert_events SET subject = {long}, message = {long}, detail = {long}")
        cursor.execute(f"UPDATE base.alert_events SET value_text = {long} WHERE value IS NULL")
    first, second = store.alerts.list_events(NOW - DAY)
    texts = (first.subject, first.message, first.detail, second.value)
    assert [len(str(text)) for text in texts] == [MAX_CHARACTERS] * 4
