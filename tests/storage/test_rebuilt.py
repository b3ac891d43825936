"""A past moment whose payloads are gone is told from the typed rows, as exactly as those can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from proxmon.config import RetentionSettings, RuleSettings
from proxmon.fleet import Host, HostSnapshot
from proxmon.payload import FastPayload, Tier
from proxmon.status import evaluate
from storage import Store
from tests.builders import DAY, NOW, a_disk, a_fast_payload, a_guest, a_mirror, a_pool, a_sample, iso
from tests.storage.conftest import SECRET

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
PAST = NOW - 2 * DAY
PAYLOADS: dict[str, dict[str, Any]] = {
    "healthy": a_fast_payload(),
    "a tree of disks": a_fast_payload(
        zfs_pools={
            "pools": [
                a_pool(
                    name="tank",
                    health="DEGRADED",
                    vdevs=[
                        a_mirror(children=[a_disk(name="sda", state="UNAVAIL", was="/dev/sda1"), a_disk(name="sdb")]),
                        a_disk(name="nvme0", read_errors=3, **{"class": "log"}),
                    ],
                ),
                a_pool(vdevs=None),
            ]
        }
    ),
    "a scrub that runs": a_fast_payload(
        zfs_pools={
            "pools": [a_pool(last_scrub_end=None, scan={"function": "scrub", "state": "scanning", "percent": 5})]
        }
    ),
    "a section that failed": a_fast_payload(zfs_pools={"error": "zpool: command not found"}),
    "a section that we do not know and that failed": a_fast_payload(smart={"error": "smartctl: not found"}),
    "a tree that is not known": a_fast_payload(zfs_pools={"pools": [a_pool(vdevs=None, rebuilds=None)]}),
    "a section that is incomplete": a_fast_payload(
        zfs_pools={"pools": [a_pool(capacity_percent=95)], "incomplete": "no tree"}
    ),
}


@pytest.fixture(params=["kept", "retired"])
def store(request: pytest.FixtureRequest, directory: Path) -> Iterator[Store]:
    """Give a store that drops payloads after a day or never."""
    spans = RetentionSettings(fast_payload_days=1) if request.param == "retired" else None
    opened = Store.open(directory, retention=spans)
    yield opened
    opened.close()


def fill(store: Store, host: Host, payload: dict[str, Any], **changes: Any) -> None:
    """Store samples two days ago and now, and drop what is too old."""
    first = a_sample(host.id, payload=payload, collected_at=PAST, **changes)
    store.append([first, a_sample(host.id, collected_at=NOW, **changes)]).result()
    store.keep_up(NOW + SECOND)


def past_host(store: Store, host: Host) -> HostSnapshot:
    """Return what was known of the host two days ago; it was made only later in the test."""
    with store._database.writer().cursor() as cursor:
        cursor.execute("UPDATE base.hosts SET created_at = '2020-01-01'")
    found = store.snapshot(PAST + 5 * SECOND).find(host.name)
    assert found is not None
    return found


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_the_verdicts_are_those_that_the_payload_gave(store: Store, host: Host, payload: dict[str, Any]) -> None:
    fill(store, host, payload)
    found, now = past_host(store, host), PAST + 5 * SECOND
    told = a_sample(host.id, payload=payload, collected_at=PAST)
    live = replace(found, samples={Tier.FAST: told})
    assert evaluate(found, RuleSettings(), now) == evaluate(live, RuleSettings(), now)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_the_payload_is_as_it_was(store: Store, host: Host, payload: dict[str, Any]) -> None:
    fill(store, host, payload)
    assert past_host(store, host).samples[Tier.FAST].payload == expected(host, payload)


def expected(host: Host, payload: dict[str, Any]) -> FastPayload:
    """Return the typed form of a payload."""
    typed = a_sample(host.id, payload=payload).payload
    assert isinstance(typed, FastPayload)
    return typed


def test_the_interval_is_the_hosts_own(store: Store, host: Host) -> None:
    fill(store, host, a_fast_payload(), interval_seconds=60.0)
    assert past_host(store, host).samples[Tier.FAST].interval_seconds == 60


def test_a_guest_of_which_nothing_was_kept_is_unknown(directory: Path) -> None:
    spans = RetentionSettings(guest_row_days=1, fast_payload_days=1, hourly_payload_days=1)
    store = Store.open(directory, retention=spans)
    host = store.add_host("pve-01", SECRET, NOW - 9 * DAY)
    fill(store, host, a_fast_payload(vms_runtime={"vms": [a_guest()]}))
    payload = past_host(store, host).samples[Tier.FAST].payload
    store.close()
    assert isinstance(payload, FastPayload)
    assert payload.vms_runtime
    assert payload.vms_runtime.vms is None


def test_a_host_that_was_silent_then_is_seen_as_it_was_before(store: Store, host: Host) -> None:
    fill(store, host, a_fast_payload())
    past_host(store, host)
    found = store.snapshot(PAST + 20 * HOUR).find(host.name)
    assert found
    assert found.samples[Tier.FAST].observed_at == found.last_seen_at == PAST
    assert iso(PAST) in iso(found.samples[Tier.FAST].collected_at)
