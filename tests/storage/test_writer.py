"""One thread writes: groups form, one bad sample fails alone, a full queue refuses, trouble passes."""

from __future__ import annotations

import errno
import threading
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from proxmon.errors import OverloadedError, SampleError, StoreUnavailableError, TokenError
from proxmon.fleet import Host
from proxmon.samples import Appended
from storage import Store
from storage.directory import DataDirectory
from storage.filler import Filler
from storage.inbox import SPREAD_SECONDS, Inbox
from storage.journal import Journal
from storage.typed import Tables
from tests.builders import NOW, a_sample
from tests.storage.conftest import SECRET, Query, failing
from tests.waiting import wait_for

SECOND = timedelta(seconds=1)


class Held:
    """Keeps the writer busy until it is let go, so that samples queue up behind it."""

    def __init__(self, store: Store) -> None:
        self._entered, self._freed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=store._writer.run, args=(self._wait,))
        self._thread.start()
        self._entered.wait()

    def let_go(self) -> None:
        self._freed.set()
        self._thread.join()

    def _wait(self, connection: object) -> None:
        self._entered.set()
        self._freed.wait()


def append_each(store: Store, host: Host, count: int, held: Held) -> list[Future[Appended]]:
    """Append samples one by one while the writer is held, then let it go."""
    futures = [store.append([a_sample(host.id, collected_at=NOW + n * SECOND)]) for n in range(count)]
    held.let_go()
    return futures


def test_samples_that_wait_share_one_write(store: Store, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    append = Journal.append
    monkeypatch.setattr(Journal, "append", lambda self, entries: (groups.append(len(entries)), append(self, entries)))
    futures = append_each(store, host, 40, Held(store))
    assert [future.result().stored for future in futures] == [1] * 40
    assert groups == [40]


def test_samples_before_and_after_another_write_keep_their_order(store: Store, query: Query) -> None:
    held = Held(store)
    adding = threading.Thread(target=store.add_host, args=("pve-01", SECRET, NOW))
    adding.start()
    held.let_go()
    adding.join()
    assert store.append([a_sample(1)]).result().stored == 1


def test_a_sample_is_acknowledged_before_the_database_has_it(store: Store, host: Host) -> None:
    with store._writer._filler.lock:
        assert store.append([a_sample(host.id)]).result().stored == 1
        assert store.append([a_sample(host.id)]).result().duplicates == 1
    assert store.snapshot().hosts[0].samples
    assert store.append([a_sample(host.id)]).result().duplicates == 1


def test_a_sample_that_is_no_text_fails_alone(store: Store, host: Host) -> None:
    held = Held(store)
    broken = store.append([replace(a_sample(host.id), raw=b"\xff")])
    futures = append_each(store, host, 2, held)
    with pytest.raises(SampleError):
        broken.result()
    assert [future.result().stored for future in futures] == [1, 1]


def test_trouble_of_the_disk_fails_the_whole_group_until_it_passes(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as trouble:
        trouble.setattr(Journal, "append", failing(OSError(errno.ENOSPC, "No space left on device")))
        futures = append_each(store, host, 2, Held(store))
        for future in futures:
            with pytest.raises(StoreUnavailableError, match="No space left"):
                future.result()
        with pytest.raises(StoreUnavailableError, match="No space left"):
            store.check()
    assert store.append([a_sample(host.id)]).result().stored == 1
    store.check()


def test_a_disk_that_takes_something_again_is_seen_without_a_sample(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as trouble:
        trouble.setattr(Journal, "append", failing(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(StoreUnavailableError, match="No space left"):
            store.append([a_sample(host.id)]).result()
        with pytest.raises(StoreUnavailableError, match="No space left"):
            store.check()
    monkeypatch.setattr("storage.writer.PROBE_INTERVAL_SECONDS", 0.0)
    store.check()


def test_a_disk_that_takes_nothing_is_seen_without_a_sample(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    monkeypatch.setattr("storage.writer.PROBE_INTERVAL_SECONDS", 0.0)
    with monkeypatch.context() as trouble:
        trouble.setattr("os.pwrite", failing(OSError(errno.EROFS, "Read-only file system")))
        with pytest.raises(StoreUnavailableError, match="Read-only"):
            store.check()
    store.check()
    # What was written to see that is nobody's sample.
    assert store.append([a_sample(host.id)]).result().stored == 1
    assert query("SELECT count(*) FROM samples") == [(1,)]


def test_files_that_cannot_be_protected_do_not_end_the_thread_that_fills(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    filler = store._writer._filler
    with monkeypatch.context() as trouble:
        trouble.setattr(DataDirectory, "protect_files", failing(StoreUnavailableError("Read-only file system")))
        with filler.lock:
            filler.forget_file()  # as after a compaction: the next log is a new one
        assert store.append([a_sample(host.id)]).result().stored == 1
        with pytest.raises(StoreUnavailableError, match="Read-only"):
            wait_for_trouble(store)
    wait_for(lambda: filler.trouble is None)
    store.check()
    assert query("SELECT count(*) FROM samples") == [(1,)]


def wait_for_trouble(store: Store) -> None:
    """Wait until the thread itself has tried; raise what it met."""
    wait_for(lambda: store._writer._filler.trouble or not store._writer._filler.is_alive, 20)
    store.check()


def test_nothing_more_is_taken_while_the_database_cannot_be_written(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    with monkeypatch.context() as trouble:
        trouble.setattr(Tables, "append", failing(duckdb.IOException("No space left on device")))
        assert store.append([a_sample(host.id)]).result().stored == 1
        with pytest.raises(StoreUnavailableError, match="No space left"):
            store.settle()
        with pytest.raises(StoreUnavailableError, match="No space left"):
            store.append([a_sample(host.id, collected_at=NOW + SECOND)]).result()
        with pytest.raises(StoreUnavailableError, match="No space left"):
            store.check()
    assert store.append([a_sample(host.id, collected_at=NOW + SECOND)]).result().stored == 1
    store.check()
    assert query("SELECT count(*), count(DISTINCT collected_at) FROM samples") == [(2, 2)]


@pytest.mark.parametrize(("bound", "pending"), [(10**9, 2), (1, 1)])
def test_samples_that_the_database_does_not_have_yet_are_bounded_in_bytes(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch, bound: int, pending: int
) -> None:
    monkeypatch.setattr(Filler, "_turn", lambda _: None)
    monkeypatch.setattr("storage.backlog.MAX_PENDING_BYTES", bound)
    store.append([a_sample(host.id)]).result()
    store.append([a_sample(host.id, collected_at=NOW + SECOND)]).result()
    assert len(store._writer._filler.pending_keys) == pending


def test_an_invalidated_database_is_opened_again(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    with monkeypatch.context() as trouble:
        trouble.setattr(Tables, "append", failing(duckdb.FatalException("database has been invalidated")))
        store.append([a_sample(host.id)]).result()
        with pytest.raises(StoreUnavailableError, match="invalidated"):
            store.settle()
    appended = store.append([a_sample(host.id), a_sample(host.id, collected_at=NOW + SECOND)]).result()
    assert appended.is_new == (False, True)
    assert store.snapshot().hosts[0].samples
    assert query("SELECT count(*) FROM host_samples") == [(2,)]


def test_what_was_committed_although_the_commit_failed_is_not_stored_twice(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    append = Tables.append

    def fail_after(self: Tables, *arguments: Any) -> None:
        append(self, *arguments)
        raise duckdb.FatalException("database has been invalidated")

    with monkeypatch.context() as trouble:
        trouble.setattr(Tables, "append", fail_after)
        store.append([a_sample(host.id)]).result()
        with pytest.raises(StoreUnavailableError, match="invalidated"):
            store.settle()
    store.settle()
    assert query("SELECT count(*) FROM samples") == [(1,)]


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(directory: Path) -> None:
    store = Store.open(directory, Inbox(max_samples=2))
    host = store.add_host("pve-01", SECRET, NOW)
    held = Held(store)
    futures = [store.append([a_sample(host.id, collected_at=NOW + n * SECOND)]) for n in range(2)]
    waits = set[float]()
    for _ in range(200):
        with pytest.raises(OverloadedError) as refused:
            store.append([a_sample(host.id)])
        waits.add(refused.value.retry_after_seconds)
    held.let_go()
    assert waits == set(range(1, 1 + SPREAD_SECONDS + 1)), "who is refused together must not come back together"
    assert [future.result().stored for future in futures] == [1, 1]
    store.close()


def test_a_queue_is_bounded_in_bytes_too_but_takes_one_message_of_any_size(directory: Path) -> None:
    store = Store.open(directory, Inbox(max_bytes=10))
    host = store.add_host("pve-01", SECRET, NOW)
    held = Held(store)
    future = store.append([a_sample(host.id)])
    with pytest.raises(OverloadedError):
        store.append([a_sample(host.id)])
    held.let_go()
    assert future.result().stored == 1
    store.close()


def test_a_sample_whose_sender_gave_up_is_not_stored(store: Store, host: Host, query: Query) -> None:
    held = Held(store)
    assert store.append([a_sample(host.id)]).cancel()
    held.let_go()
    assert query("SELECT count(*) FROM samples") == [(0,)]


def test_a_sender_that_cannot_be_told_keeps_no_other_waiting(
    store: Store, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(store)
    store.submit([a_sample(host.id)], lambda: None, failing(RuntimeError("gone")))
    later = store.append([a_sample(host.id, collected_at=NOW + SECOND)])
    held.let_go()
    assert later.result().stored == 1
    assert "could not be told" in caplog.text


def test_a_sample_whose_sender_may_no_longer_send_is_not_stored(store: Store, host: Host, query: Query) -> None:
    def refuse() -> None:
        raise TokenError("Send a valid token.")

    held = Held(store)
    refused, allowed = store.append([a_sample(host.id)], refuse), store.append([a_sample(host.id, tier="slow")])
    held.let_go()
    with pytest.raises(TokenError):
        refused.result()
    assert allowed.result().stored == 1
    assert query("SELECT tier FROM samples") == [("slow",)]


def test_a_write_that_fails_leaves_nothing_behind(store: Store, host: Host, query: Query) -> None:
    def write(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("DELETE FROM base.hosts")
        raise RuntimeError("half way")

    with pytest.raises(StoreUnavailableError, match="half way"):
        store._writer.run(write)
    assert query("SELECT count(*) FROM hosts") == [(1,)]


def test_many_threads_may_store_and_read_at_once(store: Store, host: Host, query: Query) -> None:
    def work(lane: int) -> None:
        for n in range(10):
            at = NOW + (lane * 100 + n) * SECOND
            assert store.append([a_sample(host.id, collected_at=at)]).result().stored == 1
            assert store.snapshot().hosts[0].samples

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert query("SELECT count(*), count(DISTINCT collected_at) FROM samples") == [(80, 80)]
