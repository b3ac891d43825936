"""The data directory belongs to one process and to nobody else's eyes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import duckdb
import pytest

from proxmon.errors import StoreUnavailableError
from proxmon.fleet import Host
from storage import Store, StoreLockedError
from tests.builders import a_sample

Usage = namedtuple("Usage", "total used free")

HOLD = "import sys, pathlib, storage; s = storage.Store.open(pathlib.Path(sys.argv[1])); print(1, flush=True); input()"
HOLD_FILE = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"


def test_directory_and_files_are_for_their_owner_only(store: Store, host: Host, directory: Path) -> None:
    store.append([a_sample(host.id)]).result()
    store.settle()
    assert directory.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    journal = {"fleet.journal-1", "fleet.journal-2"}
    assert set(modes) == {"fleet.duckdb", "fleet.duckdb.wal", *journal, "secrets.sqlite", "store.lock"}
    assert set(modes.values()) == {0o600}


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Store.open(tmp_path).close()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_second_store_in_the_same_process_is_refused(store: Store, directory: Path) -> None:
    with pytest.raises(StoreLockedError, match=f"in use by process {os.getpid()}: stop it or choose another"):
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
