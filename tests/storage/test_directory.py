"""The data directory belongs to one process and to nobody else's eyes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

import storage.directory
from proxmon.credentials import TokenSecret
from proxmon.errors import StoreUnavailableError
from proxmon.fleet import Host
from storage import Store, StoreLockedError
from tests.builders import NOW, a_sample
from tests.waiting import wait_for

Usage = namedtuple("Usage", "total used free")

HOLD = "import sys, pathlib, storage; s = storage.Store.open(pathlib.Path(sys.argv[1])); print(1, flush=True); input()"
HOLD_FILE = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"


def test_directory_and_files_are_for_their_owner_only(store: Store, host: Host, directory: Path) -> None:
    store.append([a_sample(host.id)]).result()
    store.settle()
    assert directory.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    journal = {"fleet.journal-1", "fleet.journal-2"}
    assert set(modes) == {"fleet.duckdb", "fleet.duckdb.wal", "fleet.filled", *journal, "secrets.sqlite", "store.lock"}
    assert set(modes.values()) == {0o600}


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Store.open(tmp_path).close()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_second_store_in_the_same_process_is_refused(store: Store, directory: Path) -> None:
    with pytest.raises(StoreLockedError, match=f"in use by process {os.getpid()}: stop it, or choose another"):
        Store.open(directory)


@pytest.mark.parametrize(("program", "name"), [(HOLD, ""), (HOLD_FILE, "fleet.duckdb")], ids=["server", "notebook"])
def test_another_process_that_holds_the_directory_is_named(
    store: Store, directory: Path, program: str, name: str
) -> None:
    store.close()
    with subprocess.Popen(
        [sys.executable, "-c", program, str(directory / name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        with pytest.raises(StoreLockedError, match=f"in use by process {holder.pid}:.* PROXMON_DATA"):
            Store.open(directory)
        holder.communicate(b"\n")
    Store.open(directory).close()


def test_who_is_patient_gets_a_directory_that_is_let_go_of(store: Store, directory: Path) -> None:
    letting_go = threading.Timer(0.3, store.close)
    letting_go.start()
    Store.open(directory, patience_seconds=20).close()
    letting_go.join()


def test_the_log_is_the_owners_only_whoever_writes_first(store: Store, directory: Path) -> None:
    store.close()
    before = os.umask(0o022)
    try:
        again = Store.open(directory)
        again.settle()  # with nothing to bring in
        again.add_host("pve-02", TokenSecret("lookup", "hash"), NOW)
        wait_for(lambda: (directory / "fleet.duckdb.wal").stat().st_mode & 0o777 == 0o600)
        again.close()
    finally:
        os.umask(before)


def empty(directory: Path) -> None:
    directory.rename(directory.with_name("away"))
    directory.mkdir()


def replace(directory: Path) -> None:
    away = directory.rename(directory.with_name("away"))
    subprocess.run(["cp", "-r", str(away), str(directory)], check=True)  # this process would lose its lock of the file


@pytest.mark.parametrize(
    "act",
    [
        lambda directory: directory.rename(directory.with_name("away")),
        empty,
        replace,
        lambda directory: (directory / "fleet.duckdb").unlink(),
        lambda directory: (directory / "fleet.journal-1").unlink(),
    ],
    ids=["moved", "emptied", "replaced", "no database", "no journal"],
)
def test_nothing_is_stored_into_a_directory_that_is_not_there_any_more(
    store: Store, host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(storage.directory, "PLACE_SECONDS", 0.0)
    assert store.append([a_sample(host.id)]).result().stored == 1
    act(directory)
    with pytest.raises(StoreUnavailableError, match="moved, replaced or emptied"):
        store.append([a_sample(host.id, collected_at=NOW + timedelta(seconds=1))]).result()
    with pytest.raises(StoreUnavailableError, match="moved, replaced or emptied"):
        store.check()


def test_a_directory_that_was_put_back_is_used_again(
    store: Store, host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.directory, "PLACE_SECONDS", 0.0)
    away = directory.rename(directory.with_name("away"))
    with pytest.raises(StoreUnavailableError):
        store.check()
    away.rename(directory)
    store.check()
    assert store.append([a_sample(host.id)]).result().stored == 1


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailableError, match="cannot be used"):
        Store.open(tmp_path / "file" / "data")


def test_a_file_that_is_no_store_is_a_clear_error_and_frees_the_directory(directory: Path) -> None:
    directory.mkdir()
    (directory / "fleet.duckdb").write_text("not a database" * 1000)
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        Store.open(directory)
    (directory / "fleet.duckdb").unlink()
    Store.open(directory).close()


def test_nothing_is_stored_on_a_disk_without_room(store: Store, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 2**20))
        with pytest.raises(StoreUnavailableError, match=r"1 MiB left .* make room"):
            store.append([a_sample(host.id)]).result()
        with pytest.raises(StoreUnavailableError):
            store.check()
    assert store.append([a_sample(host.id)]).result().stored == 1
    store.check()


def test_an_analyst_finds_the_views(store: Store, directory: Path) -> None:
    store.close()
    with duckdb.connect(str(directory / "fleet.duckdb"), read_only=True) as connection:
        names = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
    assert {"hosts", "host_events", "samples", "host_samples", "zpool_samples", "guest_samples"} <= names
