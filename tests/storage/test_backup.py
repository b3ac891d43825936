"""A backup has everything that was acknowledged before it began, and becomes a data directory again."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from proxmon.errors import ConflictError, NotFoundError, StoreUnavailableError
from proxmon.fleet import Host
from storage import Store
from tests.builders import NOW, a_sample
from tests.storage.conftest import ask_file

SECOND = timedelta(seconds=1)


def test_a_backup_becomes_a_data_directory_again(store: Store, host: Host, tmp_path: Path) -> None:
    (store._directory.path / "cookie.key").write_text("key")
    store.append([a_sample(host.id)]).result()
    backup = store.back_up()
    assert Store.restore(backup, tmp_path / "restored") == 1
    restored = Store.open(tmp_path / "restored")
    try:
        assert restored.snapshot().hosts == store.snapshot().hosts
        assert restored.list_host_secrets() == store.list_host_secrets()
    finally:
        restored.close()
    assert (tmp_path / "restored" / "cookie.key").read_text() == "key"


def test_a_backup_during_ingest_has_every_sample_acknowledged_before(store: Store, host: Host, tmp_path: Path) -> None:
    stopped, acknowledged = threading.Event(), [0]

    def ingest() -> None:
        while not stopped.is_set():
            number = acknowledged[0]
            store.append([a_sample(host.id, collected_at=NOW + number * SECOND)]).result()
            acknowledged[0] = number + 1

    sender = threading.Thread(target=ingest)
    sender.start()
    for round_number in range(3):
        while acknowledged[0] < 20 * (round_number + 1):
            assert sender.is_alive()
        before = acknowledged[0]
        backup = store.back_up()
        after = acknowledged[0]
        Store.restore(backup, tmp_path / f"restored-{round_number}")
        ((count, typed),) = ask_file(
            tmp_path / f"restored-{round_number}",
            "SELECT (SELECT count(*) FROM samples), (SELECT count(*) FROM host_samples)",
        )
        assert before <= count <= after
        assert typed == count
    stopped.set()
    sender.join()


def test_a_backup_is_its_owner_s_only(store: Store, host: Host, tmp_path: Path) -> None:
    backup = store.back_up()
    Store.restore(backup, tmp_path / "restored")
    for made in (backup, tmp_path / "restored"):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        for file in made.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_the_store_keeps_its_lock_while_and_after_it_is_copied(store: Store, directory: Path) -> None:
    store.back_up()
    code = "import duckdb, sys; duckdb.connect(sys.argv[1])"
    other = subprocess.run(
        [sys.executable, "-c", code, str(directory / "fleet.duckdb")], capture_output=True, text=True, check=False
    )
    assert "Conflicting lock" in other.stderr


def test_no_checkpoint_touches_the_file_while_it_is_copied(
    store: Store, host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.checkpoints.CHECKPOINT_WAL_BYTES", 0)
    filler = store._writer._filler
    file = directory / "fleet.duckdb"
    with filler.file_at_rest():
        before = file.stat().st_mtime_ns
        store.append([a_sample(host.id)]).result()
        store.settle()
        filler.checkpoint()
        assert file.stat().st_mtime_ns == before
    filler.checkpoint()
    assert file.stat().st_mtime_ns > before


def test_a_copy_of_a_store_that_was_closed_meanwhile_is_refused(store: Store) -> None:
    with pytest.raises(StoreUnavailableError, match="in between"), store._writer._filler.file_at_rest():
        store.close()


def test_one_backup_at_a_time(store: Store) -> None:
    with store._is_backing_up, pytest.raises(ConflictError, match="Wait"):
        store.back_up()


def test_what_a_killed_backup_left_is_cleared_by_the_next(store: Store, directory: Path) -> None:
    left = directory / ".backup-0000"
    left.mkdir()
    backup = store.back_up()
    assert list(directory.glob(".backup-*")) == [backup]


def test_without_room_nothing_is_begun(store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.backup.MIN_FREE_BYTES", 2**60)
    with pytest.raises(StoreUnavailableError, match="make room"):
        store.back_up()
    assert not list(directory.glob(".backup-*"))


def test_a_restore_overwrites_nothing_and_takes_no_other_directory(store: Store, tmp_path: Path) -> None:
    backup = store.back_up()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(ConflictError, match="empty"):
        Store.restore(backup, tmp_path / "full")
    with pytest.raises(NotFoundError, match="proxmon backup"):
        Store.restore(tmp_path / "full", tmp_path / "new")
