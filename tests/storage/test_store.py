"""What is stored is there, once, and also tomorrow."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from proxmon.errors import ConflictError, NotFoundError, StoreUnavailableError
from proxmon.fleet import Host
from proxmon.payload import Tier
from storage import Store
from tests.builders import DAY, NOW, a_sample
from tests.storage.conftest import SECRET, Query, ask_file

SECOND = timedelta(seconds=1)


def test_a_sample_is_stored_with_its_bytes_as_they_came(store: Store, host: Host) -> None:
    raw = b'{ "host": {"load1": 1.50}, "unknown":\t"\\u00e9" }'
    sample = a_sample(host.id, payload={"host": {"load1": 1.5}}, raw=raw)
    assert store.append([sample]).result().is_new == (True,)
    [stored] = store.snapshot().hosts
    assert stored.samples[Tier.FAST].raw == raw


def test_a_stored_sample_comes_back_as_it_was(store: Store, host: Host) -> None:
    clocks = {"clock_offset_seconds": -3.5, "received_at": NOW + SECOND, "fresh_at": NOW + SECOND}
    sample = a_sample(host.id, interval_seconds=7.5, **clocks)
    store.append([sample]).result()
    assert store.snapshot().hosts[0].samples == {Tier.FAST: sample}


def test_all_tiers_of_a_message_are_stored_together(store: Store, host: Host) -> None:
    samples = [a_sample(host.id, tier=tier) for tier in Tier]
    assert store.append(samples).result().stored == 3
    assert store.snapshot().hosts[0].samples == {sample.tier: sample for sample in samples}


def test_a_message_without_samples_stores_nothing(store: Store) -> None:
    appended = store.append([]).result()
    assert (appended.stored, appended.duplicates, appended.is_new) == (0, 0, ())


def test_the_same_sample_twice_in_a_message_is_stored_once(store: Store, host: Host) -> None:
    sample = a_sample(host.id)
    assert store.append([sample, sample]).result().is_new == (True, False)


def test_the_same_sample_again_is_a_duplicate(store: Store, host: Host) -> None:
    store.append([a_sample(host.id)]).result()
    appended = store.append([a_sample(host.id, received_at=NOW + DAY)]).result()
    assert (appended.stored, appended.duplicates) == (0, 1)


def test_an_old_sample_again_is_a_duplicate_and_another_old_one_is_not(store: Store, host: Host) -> None:
    store.append([a_sample(host.id, collected_at=NOW - SECOND), a_sample(host.id)]).result()
    late = [a_sample(host.id, collected_at=NOW - SECOND), a_sample(host.id, collected_at=NOW - 2 * SECOND)]
    assert store.append(late).result().is_new == (False, True)


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1)], ids=["forward", "back"])
def test_a_step_of_the_servers_clock_loses_and_doubles_nothing(store: Store, host: Host, step: timedelta) -> None:
    for number in range(6):
        at = NOW + number * SECOND
        received_at = at + step if number >= 3 else at
        sample = a_sample(host.id, collected_at=at, received_at=received_at, observed_at=received_at)
        assert store.append([sample]).result().stored == 1
        assert store.append([sample]).result().duplicates == 1


def test_samples_of_two_tiers_at_one_moment_are_two(store: Store, host: Host) -> None:
    store.append([a_sample(host.id, tier="medium")]).result()
    assert store.append([a_sample(host.id, tier="slow")]).result().is_new == (True,)


def test_a_duplicate_is_known_after_a_restart(store: Store, host: Host, directory: Path) -> None:
    samples = [a_sample(host.id, collected_at=NOW - SECOND), a_sample(host.id)]
    store.append(samples).result()
    store.close()
    again = Store.open(directory)
    assert again.append([*samples, a_sample(host.id, tier="slow")]).result().is_new == (False, False, True)
    again.close()


def test_what_was_queued_is_stored_when_the_store_is_closed(store: Store, host: Host, query: Query) -> None:
    futures = [store.append([a_sample(host.id, collected_at=NOW + n * SECOND)]) for n in range(50)]
    assert query("SELECT count(*) FROM samples") == [(50,)]
    assert all(future.result().stored == 1 for future in futures)


def test_a_closed_store_refuses_samples_and_can_be_closed_again(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.append([a_sample()])


def test_a_sample_of_a_host_that_was_deleted_is_refused(store: Store, host: Host) -> None:
    store.delete_host(host.id, NOW, keep_history=True)
    with pytest.raises(NotFoundError, match="deleted"):
        store.append([a_sample(host.id)]).result()


def test_host_ids_are_never_used_again(store: Store, directory: Path) -> None:
    first = store.add_host("pve-01", SECRET, NOW)
    store.delete_host(first.id, NOW, keep_history=False)
    store.close()
    again = Store.open(directory)
    assert again.add_host("pve-01", SECRET, NOW).id > first.id
    again.close()


def test_a_name_is_taken_until_its_host_is_deleted(store: Store, host: Host) -> None:
    with pytest.raises(ConflictError, match="pve-01"):
        store.add_host("pve-01", SECRET, NOW)
    store.delete_host(host.id, NOW, keep_history=True)
    assert store.add_host("pve-01", SECRET, NOW).id != host.id


def test_a_host_that_is_not_there_cannot_be_changed(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.rotate_host(7, SECRET, NOW)
    with pytest.raises(NotFoundError):
        store.delete_host(7, NOW, keep_history=True)
    with pytest.raises(NotFoundError):
        store.record_goodbye(7, NOW, None)
    assert store.list_host_secrets() == []


def test_deleting_a_host_with_its_history_leaves_no_row_of_it(store: Store, host: Host, directory: Path) -> None:
    store.append([a_sample(host.id, tier=tier) for tier in Tier]).result()
    store.record_goodbye(host.id, NOW, "stopped")
    store.delete_host(host.id, NOW, keep_history=False)
    store.close()
    tables = ask_file(
        directory, "SELECT table_name FROM duckdb_columns() WHERE column_name = 'host_id' AND schema_name = 'base'"
    )
    assert len(tables) > 20
    assert all(ask_file(directory, f"SELECT count(*) FROM base.{name}") == [(0,)] for (name,) in tables)


def test_deleting_a_host_can_keep_its_history(store: Store, host: Host, query: Query) -> None:
    store.append([a_sample(host.id)]).result()
    store.delete_host(host.id, NOW, keep_history=True)
    assert store.snapshot().hosts == ()
    assert store.list_host_secrets() == []
    assert query("SELECT host, count(*) FROM host_samples GROUP BY host") == [("pve-01", 1)]


def test_what_happens_to_a_host_is_written_down(store: Store, host: Host, query: Query) -> None:
    store.rotate_host(host.id, SECRET, NOW)
    store.record_goodbye(host.id, NOW, "stopped")
    store.delete_host(host.id, NOW, keep_history=True)
    assert query("SELECT host, kind, detail FROM host_events") == [
        ("pve-01", "added", None),
        ("pve-01", "rotated", None),
        ("pve-01", "goodbye", "stopped"),
        ("pve-01", "deleted", None),
    ]


def test_a_store_that_can_store_is_healthy(store: Store) -> None:
    store.check()


def test_a_closed_store_is_not_healthy(store: Store) -> None:
    store.close()
    with pytest.raises(StoreUnavailableError):
        store.check()
