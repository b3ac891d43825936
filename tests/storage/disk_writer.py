"""A program for the disk tests: fills its disk in one of three ways, makes room, and prints what was acknowledged.

The disk is a limit on the size of any file of this process, which fails writes as a full disk does.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

import storage.checkpoints
from proxmon.errors import StoreUnavailableError
from storage import Store
from storage.merging import Merger
from tests.builders import NOW, a_sample

LIMIT_BYTES = 400_000
BRING_IN_EVERY = 20  # samples: DuckDB's log is the first that is full, not the journal
log = logging.getLogger(__name__)


class Checkpointer(Merger):
    """Has no room to let the database file grow, from when a checkpoint has begun."""

    is_full = True

    def __init__(self, database: Path) -> None:
        super().__init__()
        self._database = database

    def checkpoint(self, connection: DuckDBPyConnection) -> None:
        """Try it, and say what has become of the database."""
        size, log_size = (path.stat().st_size for path in (self._database, Path(f"{self._database}.wal")))
        if self.is_full and size > 1.5 * log_size:  # which is to be written to
            limit_files(size)
        try:
            super().checkpoint(connection)
        except duckdb.Error:
            log.warning("the database can%s be read", "" if is_readable(connection) else "not")
            raise
        log.warning("the database was checkpointed")


def limit_files(size: int | None) -> None:
    """Let no file grow beyond a size; None lets them grow."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def is_readable(connection: DuckDBPyConnection) -> bool:
    """Tell whether an error left the database open."""
    try:
        connection.execute("SELECT count(*) FROM base.host_samples")
    except duckdb.Error:
        return False
    return True


def main() -> None:
    """Append until the store refuses, make room, and append again."""
    way, directory = sys.argv[1], Path(sys.argv[2])
    if way == "checkpoint":
        storage.checkpoints.CHECKPOINT_WAL_BYTES = 300_000
        storage.checkpoints.Merger = partial(Checkpointer, directory / "fleet.duckdb")
    store = Store.open(directory)
    host_id = store.snapshot().hosts[0].host.id
    if way != "checkpoint":
        limit_files(LIMIT_BYTES)
    refused_at = fill(store, host_id, 5000 if way == "journal" else BRING_IN_EVERY)
    try:
        store.check()
        print("healthy")
    except StoreUnavailableError as error:
        print("refused", error)
    limit_files(None)
    Checkpointer.is_full = False
    recover(store, host_id, refused_at)
    store.check()
    store.close()


def fill(store: Store, host_id: int, bring_in_every: int) -> int:
    """Append until a sample is refused; return its number."""
    for number in range(5000):
        if not append(store, host_id, number):
            return number
        if number % bring_in_every == 1:
            with suppress(StoreUnavailableError):
                store.settle()
    raise SystemExit("the disk was never full")


def recover(store: Store, host_id: int, start: int) -> None:
    """Append until it works again, then a few more."""
    tries = next(n for n in range(100) if append(store, host_id, start + n))
    for number in range(start + tries + 1, start + tries + 20):
        if not append(store, host_id, number):
            raise SystemExit("the store failed again")


def append(store: Store, host_id: int, number: int) -> bool:
    """Append the sample of that number and print it when it was acknowledged."""
    # Random, so that no compression shortens it; a long one fills the disk soon enough.
    payload = {"host": {"load1": number}, "padding": os.urandom(1000).hex()}
    try:
        store.append([a_sample(host_id, payload=payload, collected_at=NOW + timedelta(seconds=number))]).result()
    except StoreUnavailableError:
        return False
    print(number, flush=True)
    return True


if __name__ == "__main__":
    main()
