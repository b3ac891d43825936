"""Samples at the pace of a fleet: how long each waits until it is durable, alone and beside other work."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice

from proxmon.payload import Tier
from storage import Store
from tests.builders import a_sample
from tools.bench.messages import payloads

RATE = 10.0  # samples a second: a hundred hosts


class Pace:
    """The samples of a fleet's hosts in turn, from a moment on; no two are of the same time."""

    def __init__(self, hosts: int, since: datetime) -> None:
        self._hosts, self._since = hosts, since
        self._texts = [json.dumps(one) for one in islice(payloads(2), 50)]
        self._count = 0

    def keep(self, store: Store, seconds: float) -> list[float]:
        """Store samples for so long and return after how many milliseconds each was durable."""
        until, found = time.perf_counter() + seconds, list[float]()
        while time.perf_counter() < until:
            found.append(self._store_next(store))
        return found

    def keep_beside(self, store: Store, work: Callable[[], object]) -> list[float]:
        """Store samples for as long as something else takes."""
        working = threading.Thread(target=work)
        working.start()
        found = [self._store_next(store)]
        while working.is_alive():
            found.append(self._store_next(store))
        return found

    def _store_next(self, store: Store) -> float:
        self._count += 1
        at = self._since + timedelta(seconds=self._count / RATE)
        payload = json.loads(self._texts[self._count % len(self._texts)])
        sample = a_sample(1 + self._count % self._hosts, Tier.FAST, payload, collected_at=at)
        began = time.perf_counter()
        store.append([sample]).result()
        took = time.perf_counter() - began
        time.sleep(max(0.0, 1 / RATE - took))
        return took * 1000


@contextmanager
def repeated(ask: Callable[[], object]) -> Generator[None]:
    """Ask again and again in another thread."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(0.05):
            ask()

    asking = threading.Thread(target=work)
    asking.start()
    try:
        yield
    finally:
        is_over.set()
        asking.join()
