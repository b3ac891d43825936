"""The samples that a rehearsal plays."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from proxmon.events import Event, EventKind
from proxmon.fleet import Host
from proxmon.history import HistoryRequest
from storage import Store
from tests.builders import NOW, a_sample

MINUTE = timedelta(minutes=1)
SINCE = NOW - 100 * MINUTE


def fill(store: Store, host: Host, count: int = 100) -> None:
    samples = [a_sample(host.id, collected_at=SINCE + MINUTE * number) for number in range(count)]
    samples += [a_sample(host.id, "slow", collected_at=SINCE + MINUTE * number) for number in (0, 60)]
    store.append(samples).result()


def test_all_samples_of_a_span_come_in_their_order(store: Store, host: Host) -> None:
    fill(store, host)
    with store.history(HistoryRequest(SINCE + 10 * MINUTE, NOW)) as history:
        found = list(history.samples)
    assert history.step_seconds == 0
    assert [one.received_at for one in found] == sorted(one.received_at for one in found)
    assert (len(found), found[0].received_at, found[0].payload) == (91, SINCE + 10 * MINUTE, a_sample().payload)
    assert {one.tier.value for one in found} == {"fast", "slow"}


def test_more_than_the_budget_is_thinned_evenly_and_said(store: Store, host: Host) -> None:
    fill(store, host)
    with store.history(HistoryRequest(SINCE, NOW, budget=20)) as history:
        fast = [one for one in history.samples if one.tier == "fast"]
    assert 300 <= history.step_seconds <= 302
    assert 19 <= len(fast) <= 22
    gaps = [(later.received_at - one.received_at) / MINUTE for one, later in pairwise(fast)]
    assert set(gaps[1:-1]) <= {5, 6}


def test_a_store_without_samples_has_a_history_without_samples(store: Store) -> None:
    with store.history(HistoryRequest(SINCE, NOW)) as history:
        assert (list(history.samples), history.full_since) == ([], None)


def test_goodbyes_and_what_was_recorded_as_offline_come_along(store: Store, host: Host) -> None:
    fill(store, host, 3)
    store.record_goodbye(host.id, SINCE + 5 * MINUTE, "reboot")
    heard = SINCE + 2 * MINUTE
    event = Event(host.id, SINCE + 9 * MINUTE, EventKind.OFFLINE, became="offline", started_at=heard)
    store.append_events([event])
    store.settle()
    with store.history(HistoryRequest(SINCE, NOW)) as history:
        assert history.offline == {host.id: [heard]}
        assert [(one.at, one.host_id, one.reason) for one in history.goodbyes] == [
            (SINCE + 5 * MINUTE, host.id, "reboot")
        ]
