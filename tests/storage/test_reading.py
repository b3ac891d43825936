"""Who reads while rows are appended gets whole answers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from storage import Store

READING_SECONDS = 3.0
NEWEST = "SELECT host_id, vmid FROM base.guest_samples ORDER BY host_id DESC LIMIT 20"
APPEND = "INSERT INTO base.guest_samples (host_id, vmid, name) SELECT range, range * 7, 'x' FROM range(?, ?)"


def test_the_newest_rows_are_there_however_fast_others_come(store: Store) -> None:
    is_over, filler = threading.Event(), store._writer._filler

    def append() -> None:
        for number in range(1_000_000):
            if is_over.is_set():
                return
            with filler.lock:
                filler._database.writer().execute(APPEND, [number * 1_000, number * 1_000 + 1_000])
                if number % 2:
                    filler._checkpoint()

    until, answers = time.monotonic() + READING_SECONDS, list[list[tuple[int, int]]]()
    with ThreadPoolExecutor() as pool:
        appending = pool.submit(append)
        try:
            while time.monotonic() < until:
                with store._database.reader() as cursor:
                    [(count,)] = cursor.execute("SELECT count(*) FROM base.guest_samples").fetchall()
                    answers += [cursor.execute(NEWEST).fetchall()] if count >= 20 else []
                assert not answers or answers[-1] == [(one, one * 7) for one in range(count - 1, count - 21, -1)]
        finally:
            is_over.set()
        appending.result()
    assert answers
