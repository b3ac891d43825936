"""A snapshot at a moment says what was observed until then, and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proxmon.fleet import Host, HostSnapshot, name_order
from proxmon.payload import Tier
from proxmon.samples import Sample
from storage import Store
from tests.builders import DAY, NOW, a_fast_payload, a_pool, a_sample, iso
from tests.storage.conftest import SECRET

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def test_an_empty_store_has_an_empty_fleet(store: Store) -> None:
    snapshot = store.snapshot()
    assert snapshot.hosts == ()
    assert snapshot.is_live


def test_a_host_that_never_connected_has_no_samples(store: Store, host: Host) -> None:
    assert store.snapshot().hosts == (HostSnapshot(host),)


def test_hosts_come_by_name(store: Store) -> None:
    for name in ("pve-b", "PVE-a", "pve-C"):
        store.add_host(name, SECRET, NOW)
    assert [snapshot.host.name for snapshot in store.snapshot().hosts] == ["PVE-a", "pve-b", "pve-C"]


def test_the_newest_state_counts_receipt_as_last_seen(store: Store, host: Host) -> None:
    newest, late = a_sample(host.id), a_sample(host.id, collected_at=NOW - HOUR, received_at=NOW + MINUTE)
    store.append([newest]).result()
    store.append([late]).result()
    [found] = store.snapshot().hosts
    assert found.samples == {Tier.FAST: newest}
    assert found.last_seen_at == NOW + MINUTE


def test_a_past_moment_has_the_samples_observed_until_then(store: Store, host: Host) -> None:
    samples = [a_sample(host.id, collected_at=NOW + n * MINUTE) for n in range(3)]
    store.append(samples).result()
    [found] = store.snapshot(NOW + MINUTE + SECOND).hosts
    assert found.samples == {Tier.FAST: samples[1]}
    assert found.last_seen_at == NOW + MINUTE
    assert not store.snapshot(NOW).is_live


def test_a_sample_belongs_to_the_moment_of_its_observation(store: Store, host: Host) -> None:
    store.append([a_sample(host.id)]).result()
    assert store.snapshot(NOW).hosts[0].samples
    assert not store.snapshot(NOW - timedelta(microseconds=1)).hosts[0].samples


def test_a_late_sample_is_seen_in_the_past_it_belongs_to(store: Store, host: Host) -> None:
    store.append([a_sample(host.id)]).result()
    late = a_sample(host.id, collected_at=NOW - HOUR, received_at=NOW + DAY)
    store.append([late]).result()
    assert store.snapshot(NOW - MINUTE, as_collected=True).hosts[0].samples == {Tier.FAST: late}
    assert store.snapshot(NOW - MINUTE).hosts[0].samples == {}


def test_a_host_that_was_silent_for_long_still_has_its_newest_sample(store: Store, host: Host) -> None:
    old, new = a_sample(host.id, collected_at=NOW - 20 * HOUR), a_sample(host.id)
    other = store.add_host("pve-02", SECRET, NOW - DAY)
    store.append([old, a_sample(other.id, collected_at=NOW - MINUTE), new]).result()
    first, _ = store.snapshot(NOW - SECOND).hosts
    assert first.samples == {Tier.FAST: old}


def test_of_two_samples_of_one_moment_the_one_stored_later_counts(store: Store, host: Host) -> None:
    first = a_sample(host.id)
    second = a_sample(host.id, collected_at=NOW - SECOND, observed_at=NOW)
    store.append([first, second]).result()
    assert store.snapshot().hosts[0].samples[Tier.FAST].collected_at == second.collected_at


def test_a_host_exists_from_its_creation_to_its_deletion(store: Store) -> None:
    host = store.add_host("pve-01", SECRET, NOW)
    store.delete_host(host.id, NOW + HOUR, keep_history=True)
    lived = [bool(store.snapshot(NOW + span).hosts) for span in (-SECOND, SECOND, HOUR, DAY)]
    assert lived == [False, True, False, False]


def test_a_goodbye_and_a_rotation_are_known_from_their_moment(store: Store, host: Host) -> None:
    store.record_goodbye(host.id, NOW, None)
    store.rotate_host(host.id, SECRET, NOW + HOUR)
    before, between, now = (store.snapshot(at).hosts[0] for at in (NOW - SECOND, NOW + SECOND, None))
    assert (before.left_at, before.rotated_at) == (None, None)
    assert (between.left_at, between.rotated_at) == (NOW, None)
    assert (now.left_at, now.rotated_at) == (NOW, NOW + HOUR)


def test_a_scrub_is_remembered_after_a_resilver_hid_it(store: Store, host: Host) -> None:
    ended_at = NOW - 10 * DAY
    store.append([scrubbed(host.id, ended_at)]).result()
    store.append([scrubbed(host.id, None, collected_at=NOW + MINUTE)]).result()
    assert store.snapshot().hosts[0].find_scrub_end("rpool") == ended_at


def test_a_scrub_is_known_from_the_first_sample_that_tells_of_it(store: Store, host: Host) -> None:
    ended_at = NOW - DAY
    store.append([scrubbed(host.id, ended_at)]).result()
    store.append([scrubbed(host.id, ended_at, collected_at=NOW - HOUR, received_at=NOW)]).result()
    moments = (NOW - 2 * HOUR, NOW - HOUR)
    known = [store.snapshot(at, as_collected=True).hosts[0].find_scrub_end("rpool") for at in moments]
    assert known == [None, ended_at]


def test_scrubs_are_remembered_over_a_restart(store: Store, host: Host, directory: Path) -> None:
    store.append([scrubbed(host.id, NOW - DAY)]).result()
    store.close()
    again = Store.open(directory)
    again.append([scrubbed(host.id, NOW - DAY, collected_at=NOW + MINUTE)]).result()
    assert again.snapshot().hosts[0].find_scrub_end("rpool") == NOW - DAY
    again.close()


def test_a_past_moment_knows_the_scrubs_that_were_known_then(store: Store, host: Host) -> None:
    ends = [NOW + month * 30 * DAY for month in range(8)]
    for month, ended_at in enumerate(ends):
        store.append([scrubbed(host.id, ended_at, 5 + month, collected_at=ended_at + HOUR)]).result()
    now, then = (store.snapshot(at).hosts[0].scrubs["rpool"] for at in (None, ends[2] + DAY))
    assert [(one.ended_at, one.duration_seconds) for one in then] == [
        (ends[month], (5 + month) * 3600) for month in (2, 1, 0)
    ]
    assert [one.ended_at for one in now] == ends[:1:-1]


def test_how_long_a_scrub_took_may_be_told_later_and_is_not_known_before(store: Store, host: Host) -> None:
    for minute, hours in enumerate((None, 5, 5, None)):
        sample = scrubbed(host.id, NOW - DAY, hours, collected_at=NOW + minute * MINUTE)
        store.append([sample]).result()
    lasted = [store.snapshot(NOW + minute * MINUTE).hosts[0].scrubs["rpool"] for minute in range(4)]
    assert [[one.duration_seconds for one in known] for known in lasted] == [[None], [18_000], [18_000], [18_000]]


def test_a_payload_that_cannot_be_read_any_more_does_not_hide_the_other_hosts(store: Store, host: Host) -> None:
    other = store.add_host("pve-02", SECRET, NOW - DAY)
    store.append([replace(a_sample(host.id), raw=b'{"host": 1}'), a_sample(other.id)]).result()
    first, second = store.snapshot().hosts
    assert (len(first.samples), len(second.samples)) == (0, 1)


def test_a_host_was_last_heard_of_by_a_late_sample_too(store: Store, host: Host) -> None:
    for observed, received in ((100, 101), (-400, 130)):
        at = NOW + observed * MINUTE
        store.append([a_sample(host.id, collected_at=at, received_at=NOW + received * MINUTE)]).result()
    store.append([a_sample(host.id, collected_at=NOW + 900 * MINUTE)]).result()
    (known,) = store.snapshot(NOW + 140 * MINUTE).hosts
    assert known.samples[Tier.FAST].observed_at == NOW + 100 * MINUTE
    assert known.last_seen_at == NOW + 130 * MINUTE


def scrubbed(host_id: int, ended_at: datetime | None, hours: float | None = None, **changes: datetime) -> Sample:
    """Return a sample that tells of a pool's last scrub, or of something else that scanned it."""
    lasted = None if hours is None else hours * 3600
    scan = {"function": "scrub", "state": "finished", "duration_seconds": lasted} if ended_at else None
    pool = a_pool(last_scrub_end=ended_at and iso(ended_at), scan=scan)
    return a_sample(host_id, payload=a_fast_payload(zfs_pools={"pools": [pool]}), **changes)


@dataclass(frozen=True)
class Told:
    """A sample of the property test: which host, which tier, when, how late, and which scrub it tells of."""

    host: int
    tier: Tier
    minute: int
    late_minutes: int
    scrub_day: int | None
    scrub_hours: int | None

    def sample(self, host_id: int) -> Sample:
        at = NOW + self.minute * MINUTE
        if self.tier is not Tier.FAST:
            return a_sample(host_id, tier=self.tier, collected_at=at, received_at=at + self.late_minutes * MINUTE)
        scrubbed_at = None if self.scrub_day is None else NOW - self.scrub_day * DAY
        return scrubbed(
            host_id, scrubbed_at, self.scrub_hours, collected_at=at, received_at=at + self.late_minutes * MINUTE
        )


minutes = st.one_of(st.integers(0, 12), st.integers(0, 20_000))
told = st.builds(
    Told,
    st.integers(0, 2),
    st.sampled_from(Tier),
    minutes,
    st.integers(0, 300),
    st.none() | st.integers(1, 9),
    st.none() | st.integers(1, 3),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages=st.lists(st.lists(told, min_size=1, max_size=4), max_size=8),
    asked=st.lists(minutes, min_size=1, max_size=4),
)
# The server's clock stepped back between two samples that tell of one scrub.
@example(messages=[[Told(1, Tier.FAST, 0, 2, 1, None)], [Told(1, Tier.FAST, 1, 0, 1, None)]], asked=[1])
def test_a_snapshot_equals_a_walk_over_all_samples(store: Store, messages: list[list[Told]], asked: list[int]) -> None:
    # Hosts of their own for each example: the samples of all the others in the same tables must not show.
    hosts = [store.add_host(uuid.uuid4().hex, SECRET, NOW - DAY) for _ in range(3)]
    stored: dict[object, Sample] = {}
    for message in messages:
        samples = [entry.sample(hosts[entry.host].id) for entry in message]
        store.append(samples).result()
        for sample in samples:
            stored.setdefault(sample.key, sample)
    for minute in asked:
        at = NOW + minute * MINUTE
        known = [sample for sample in stored.values() if sample.received_at <= at]
        for samples, as_collected in ((known, False), (list(stored.values()), True)):
            snapshots = store.snapshot(at, as_collected=as_collected).hosts
            found = [snapshot for snapshot in snapshots if snapshot.host in hosts]
            assert found == naive_hosts(hosts, samples, at, as_collected=as_collected)


def naive_hosts(
    hosts: Sequence[Host], stored: Sequence[Sample], at: datetime, *, as_collected: bool
) -> list[HostSnapshot]:
    """Return the hosts as the fleet in memory would have them after these samples."""
    snapshots: list[HostSnapshot] = []
    for host in sorted(hosts, key=lambda host: name_order(host.name)):
        mine = [sample for sample in stored if sample.host_id == host.id and sample.observed_at <= at]
        heard = [sample.observed_at if as_collected else sample.received_at for sample in mine]
        seen_at = max(heard, default=None)
        empty = HostSnapshot(host)
        snapshots.append(empty if seen_at is None else empty.with_samples(mine, seen_at))
    return snapshots
