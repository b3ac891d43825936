"""A program for the crash tests: stores samples for ever and prints the number of each one that was acknowledged."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta
from pathlib import Path

import storage.checkpoints
from storage import Store
from tests.builders import NOW, a_sample

# Small enough that the short run of a test is killed in checkpoints too.
storage.checkpoints.CHECKPOINT_WAL_BYTES = 200_000


def main() -> None:
    """Store from four threads, so that groups form."""
    store = Store.open(Path(sys.argv[1]))
    start, host_id = int(sys.argv[2]), store.snapshot().hosts[0].host.id
    lock = threading.Lock()

    def work(lane: int) -> None:
        for number in range(start + lane, start + 10**6, 4):
            store.append([a_sample(host_id, collected_at=NOW + timedelta(seconds=number))]).result()
            with lock:
                print(number, flush=True)

    for lane in range(4):
        threading.Thread(target=work, args=(lane,)).start()


if __name__ == "__main__":
    main()
