"""One sample an hour outlives the others, with what events tell of, and a past moment is told from them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from proxmon.board import PastBoard
from proxmon.config import RetentionSettings, RuleSettings
from proxmon.events import Event, EventKind
from proxmon.findings import Status
from proxmon.fleet import Host, HostSnapshot, Resolution
from proxmon.payload import FastPayload, Tier
from storage import Store
from tests.builders import DAY, NOW, a_fast_payload, a_guest, a_sample
from tests.storage.conftest import SECRET, Query

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
SPANS = RetentionSettings(fast_payload_days=1, row_days=2, guest_row_days=1)
PAST = (NOW - 9 * DAY).replace(minute=0, second=0, microsecond=0)
ROWS = (NOW - 1.5 * DAY).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    """Give a store that keeps payloads for a day and rows for two."""
    opened = Store.open(directory, retention=SPANS)
    yield opened
    opened.close()


@pytest.fixture
def host(store: Store) -> Host:
    """Give a host that was there all along."""
    return store.add_host("pve-01", SECRET, NOW - 900 * DAY)


def fill(store: Store, host: Host, moments: list[datetime], tier: str = "fast") -> None:
    """Store a sample for each moment, whose load or dataset tells which it is, and let the old ones go."""
    store.append([a_sample(host.id, tier, collected_at=at) for at in moments]).result()
    store.keep_up(NOW)


def find(store: Store, host: Host, at: datetime, *, as_collected: bool = False) -> HostSnapshot:
    """Return what is told of the host at a moment."""
    found = store.snapshot(at, as_collected=as_collected).find(host.name)
    assert found is not None
    return found


def observed(store: Store, host: Host, at: datetime, tier: Tier = Tier.FAST) -> datetime:
    """Return when the sample was observed that is shown for a moment."""
    return find(store, host, at).samples[tier].observed_at


def an_event(host: Host, at: datetime, became: Status = Status.OK) -> Event:
    """Return a change of the host's status."""
    kind = EventKind.OFFLINE if became is Status.OFFLINE else EventKind.STATUS
    return Event(host.id, at, kind, became=became, recorded_at=at)


def test_the_last_sample_of_each_hour_is_kept(store: Store, host: Host, query: Query) -> None:
    fill(store, host, [PAST + n * 7 * MINUTE for n in range(20)] + [NOW])
    kept = query("SELECT observed_at FROM base.kept_samples ORDER BY ALL")
    naive = PAST.replace(tzinfo=None)
    assert kept == [(naive + n * MINUTE,) for n in (56, 119, 133)]


def test_the_payload_is_kept_byte_for_byte(store: Store, host: Host) -> None:
    sample = a_sample(host.id, collected_at=PAST)
    fill(store, host, [PAST, NOW])
    found = find(store, host, PAST + MINUTE)
    assert found.samples[Tier.FAST] == sample
    assert (found.resolution, found.kept_at) == (Resolution.HOUR, PAST)


def test_what_was_known_when_an_event_was_recorded_is_kept(store: Store, host: Host) -> None:
    moments = [PAST + n * MINUTE for n in range(60)]
    store.append_events([an_event(host, PAST + 10 * MINUTE), an_event(host, PAST + 20.5 * MINUTE, Status.OFFLINE)])
    fill(store, host, [*moments, NOW])
    shown = [observed(store, host, PAST + n * MINUTE) for n in (10, 15, 20.6, 40, 59)]
    assert shown == [PAST + n * MINUTE for n in (10, 10, 20, 20, 59)]


def test_bites_keep_what_one_deletion_keeps(
    store: Store, host: Host, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.retention.BITE_SAMPLES", 3)
    monkeypatch.setattr("storage.kept.NEAR_SAMPLES", 2)
    store.append_events([an_event(host, PAST + 10 * MINUTE)])
    fill(store, host, [PAST + n * 5 * MINUTE for n in range(30)] + [NOW])
    naive = PAST.replace(tzinfo=None)
    kept = query("SELECT observed_at FROM base.kept_samples ORDER BY ALL")
    assert kept == [(naive + n * MINUTE,) for n in (10, 55, 115, 145)]


def test_a_sample_that_came_late_hides_none_that_was_known(store: Store, host: Host) -> None:
    late = a_sample(
        host.id, collected_at=PAST + 50 * MINUTE, received_at=PAST + 3 * HOUR, observed_at=PAST + 50 * MINUTE
    )
    store.append([a_sample(host.id, collected_at=PAST + 10 * MINUTE), late]).result()
    fill(store, host, [NOW])
    at = PAST + HOUR
    assert find(store, host, at).samples[Tier.FAST].observed_at == PAST + 10 * MINUTE
    assert find(store, host, at, as_collected=True).samples[Tier.FAST].observed_at == PAST + 50 * MINUTE


def test_other_tiers_are_kept_when_their_time_is_over(store: Store, host: Host) -> None:
    long_ago = NOW.replace(minute=0) - 370 * DAY
    for tier in (Tier.MEDIUM, Tier.SLOW):
        store.append([a_sample(host.id, tier, collected_at=at) for at in (long_ago, long_ago + MINUTE, NOW)]).result()
    spans = RetentionSettings(payload_days=300, hourly_payload_days=0)
    store.close()
    store = Store.open(store._directory.path, retention=spans)
    store.keep_up(NOW)
    found = find(store, host, long_ago + 30 * MINUTE).samples
    store.close()
    assert {tier: sample.observed_at for tier, sample in found.items()} == {
        Tier.MEDIUM: long_ago + MINUTE,
        Tier.SLOW: long_ago + MINUTE,
    }


def test_while_rows_last_the_values_are_exact_and_guests_are_those_of_the_hour(store: Store, host: Host) -> None:
    samples = [a_sample(host.id, payload=a_load(n), collected_at=ROWS - MINUTE + n * 10 * MINUTE) for n in range(3)]
    store.append(samples).result()
    fill(store, host, [NOW])
    found = find(store, host, ROWS + 10 * MINUTE)
    payload = found.samples[Tier.FAST].payload
    assert isinstance(payload, FastPayload)
    assert payload.host
    assert payload.vms_runtime
    assert payload.vms_runtime.vms
    assert (payload.host.load1, payload.vms_runtime.vms[0].vmid) == (1, 100)
    assert (found.resolution, found.kept_at) == (Resolution.ROWS, ROWS - MINUTE)


def test_a_kept_sample_that_was_the_newest_is_exact(store: Store, host: Host) -> None:
    fill(store, host, [ROWS, ROWS + HOUR, NOW])
    assert find(store, host, ROWS + MINUTE).resolution is Resolution.FULL


def test_with_nothing_left_the_events_tell_the_status(store: Store, host: Host) -> None:
    store.append_events(
        [
            an_event(host, PAST, Status.CRITICAL),
            Event(host.id, PAST, EventKind.FINDING, "zpool_health", "rpool", became="critical", message="rpool broke"),
        ]
    )
    fill(store, host, [NOW])
    board = PastBoard(store.snapshot(PAST + MINUTE), RuleSettings())
    [judged] = board.list_hosts()
    assert judged.snapshot.resolution is Resolution.EVENTS
    assert judged.status.status is Status.CRITICAL
    assert judged.status.worst_finding
    assert judged.status.worst_finding.message == "rpool broke"


def test_without_events_a_host_was_heard_in_the_hour_of_its_sample(store: Store, host: Host) -> None:
    fill(store, host, [PAST, PAST + 30 * DAY, NOW])
    moments = (PAST + 50 * MINUTE, PAST + 61 * MINUTE)
    boards = [PastBoard(store.snapshot(at, as_collected=True), RuleSettings()) for at in moments]
    assert [board.list_hosts()[0].status.status for board in boards] == [Status.OK, Status.OFFLINE]


def test_kept_samples_go_when_their_time_is_over(store: Store, host: Host, query: Query) -> None:
    fill(store, host, [NOW - 366 * DAY, PAST, NOW])
    assert query("SELECT count(*) FROM base.kept_samples") == [(1,)]


def test_a_host_is_deleted_with_what_was_kept(store: Store, host: Host, query: Query) -> None:
    fill(store, host, [PAST, NOW])
    store.delete_host(host.id, NOW, keep_history=False)
    assert query("SELECT count(*) FROM base.kept_samples") == [(0,)]


def a_load(number: int) -> dict[str, object]:
    """Return a payload whose load and guest carry a number."""
    guests = {"vms": [a_guest(vmid=100 + number)]}
    return a_fast_payload(host={"load1": float(number)}, vms_runtime=guests)
