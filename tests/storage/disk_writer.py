"""A program for the disk tests: fills its disk in one of two ways, makes room again, and prints what was acknowledged.

The disk is a limit on the size of any file of this process, which fails writes as a full disk does.
"""

from __future__ import annotations

import resource
import sys
from datetime import timedelta
from pathlib import Path

import storage.checkpoints
from proxmon.errors import StoreUnavailableError
from storage import Store
from tests.builders import NOW, a_sample


def main() -> None:
    """Append until the store refuses, make room, and append again."""
    way, directory = sys.argv[1], Path(sys.argv[2])
    if way == "checkpoint":
        storage.checkpoints.CHECKPOINT_WAL_BYTES = 300_000
    store = Store.open(directory)
    host_id = store.snapshot().hosts[0].host.id
    size = (directory / "fleet.duckdb").stat().st_size
    limit = size if way == "checkpoint" else 400_000
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    refused_at = fill(store, host_id, 0)
    try:
        store.check()
        print("healthy")
    except StoreUnavailableError as error:
        print("refused", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    recover(store, host_id, refused_at)
    store.check()
    store.close()


def fill(store: Store, host_id: int, start: int) -> int:
    """Append until a sample is refused; return its number."""
    for number in range(start, start + 5000):
        if not append(store, host_id, number):
            return number
    raise SystemExit("the disk was never full")


def recover(store: Store, host_id: int, start: int) -> None:
    """Append until it works again, then a few more."""
    tries = next(n for n in range(100) if append(store, host_id, start + n))
    for number in range(start + tries + 1, start + tries + 20):
        if not append(store, host_id, number):
            raise SystemExit("the store failed again")


def append(store: Store, host_id: int, number: int) -> bool:
    """Append the sample of that number and print it when it was acknowledged."""
    # Text that no compression shortens would be slow to make; a long one fills the disk soon enough.
    payload = {"host": {"load1": number}, "padding": f"{number}-" * 500}
    try:
        store.append([a_sample(host_id, payload=payload, collected_at=NOW + timedelta(seconds=number))]).result()
    except StoreUnavailableError:
        return False
    print(number, flush=True)
    return True


if __name__ == "__main__":
    main()
