"""A program for the tests of compaction: compacts a store, takes samples in beside it, and kills itself at a step."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import storage.compaction
import storage.successor
from storage import Store
from storage.database import Database
from storage.directory import DataDirectory
from tests.builders import NOW, a_sample

# A step, and whether the kill comes before it or after it.
STEPS: dict[str, tuple[Any, str, bool]] = {
    "empty": (storage.successor, "make_empty", False),
    "copied": (storage.compaction.Compactor, "_copy_apart", False),
    "brought up": (storage.successor.Successor, "bring_up", False),
    "quiet": (Database, "pause_readers", False),
    "closed": (storage.compaction, "is_open", False),
    "linked": (os, "link", False),
    "before it is in place": (Path, "replace", True),
    "in place": (Path, "replace", False),
    "synced": (DataDirectory, "sync", False),
    "opened": (Database, "resume_readers", False),
}


def kill_at(owner: Any, name: str, *, is_before: bool) -> None:
    """End the process by SIGKILL before or after the next call of a function."""
    original: Callable[..., Any] = getattr(owner, name)

    def killed(*arguments: Any, **options: Any) -> Any:
        result = None if is_before else original(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, killed)


def main() -> None:
    """Append samples from one thread and compact in another."""
    store = Store.open(Path(sys.argv[1]))
    host_id = store.snapshot().hosts[0].host.id

    def work() -> None:
        for number in range(10**6):
            store.append([a_sample(host_id, collected_at=NOW + timedelta(days=1, seconds=number))]).result()
            print(number, flush=True)

    threading.Thread(target=work, daemon=True).start()
    owner, name, is_before = STEPS[sys.argv[2]]
    kill_at(owner, name, is_before=is_before)
    store.compact()


if __name__ == "__main__":
    main()
