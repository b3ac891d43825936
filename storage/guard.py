"""Watches analysts' queries: what takes too long or too much memory is interrupted, and what does not hear is left."""

from __future__ import annotations

import logging
import os
import re
import resource
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from proxmon.errors import OverloadedError

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.05
# DuckDB looks whether it was interrupted between two pieces of work, not inside one: most hear of it in 0.1 s, and
# where much else runs in 2.5 s.
HEARING_SECONDS = 5.0
# Each of them may keep a core busy for as long as the process lives.
MOST_ABANDONED = 2
ABANDONED_RETRY_SECONDS = 60.0
LOWEST_PRIORITY = 19
# DuckDB's memory_limit counts its buffers; strings and lists in mid-computation are not among them.
MAX_GROWTH_BYTES = 2**30
# One call can ask for any amount at once (`repeat`), and no look at intervals sees that before it is too late: the
# kernel then refuses it, DuckDB turns that into an error of the query, and the process lives. Twice the growth, so
# that a query is ended before the server itself is refused memory; on a small machine, half of what it has left.
HEADROOM_BYTES = 2 * MAX_GROWTH_BYTES
LEAST_HEADROOM_BYTES = 512 * 2**20
_STATM, _MEMINFO = Path("/proc/self/statm"), Path("/proc/meminfo")


class Watched(Protocol):
    """A query that runs."""

    def check(self, now: float) -> None:
        """Stop it when its time is over, and interrupt it when it was stopped."""

    def stop(self, reason: str) -> None:
        """Let it end with an error that says the reason."""


class Bound:
    """Keeps the process from growing without limit while queries run, whichever store they ask.

    There is one limit for the whole process, so there is one of these. Systems that do not tell the size of a process
    have none.
    """

    def __init__(self) -> None:
        self._is_known = _STATM.exists()
        self._lock = threading.Lock()
        self._holders = 0
        self._resident, self._max_growth = 0, MAX_GROWTH_BYTES
        self._limits = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def take(self) -> None:
        """Set the limit, unless somebody has."""
        with self._lock:
            self._holders += 1
            if self._is_known and self._holders == 1:
                self._set()

    def give_back(self) -> None:
        """Lift the limit when nobody needs it any more."""
        with self._lock:
            self._holders -= 1
            if self._is_known and not self._holders:
                resource.setrlimit(resource.RLIMIT_DATA, self._limits)

    def excess(self) -> str | None:
        """Say that the process has grown too much since the limit was set; None when it has not."""
        if not self._is_known or statm_bytes(1) - self._resident <= self._max_growth:
            return None
        return f"The query needed more than {self._max_growth // 2**20} MiB: ask for less at once."

    def _set(self) -> None:
        self._resident = statm_bytes(1)
        self._limits = resource.getrlimit(resource.RLIMIT_DATA)
        headroom = headroom_bytes(_MEMINFO.read_text())
        self._max_growth = headroom // 2
        limit = statm_bytes(5) + headroom
        limits = [limit, *(one for one in self._limits if one != resource.RLIM_INFINITY)]
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), self._limits[1]))


BOUND = Bound()


class Abandoned:
    """Counts the queries of this process that do not hear that they were ended, whichever store they asked.

    No thread can be ended from outside. Such a one goes on behind all others, and a few are let be.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[int] = set()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._threads)

    def check(self) -> None:
        """Raise OverloadedError when there are so many that no other query may begin."""
        if len(self._threads) >= MOST_ABANDONED:
            raise OverloadedError(
                f"Wait, or have the server started again: {MOST_ABANDONED} queries go on although they were ended, "
                "each in a single call that nothing interrupts.",
                ABANDONED_RETRY_SECONDS,
            )

    def add(self, thread: int) -> None:
        """Count a query that goes on in this thread, by the system's number, and let all others run before it."""
        with self._lock:
            self._threads.add(thread)
        log.warning(
            "a query goes on although it was ended, in one call that nothing interrupts; a restart ends it (%d of %d)",
            len(self._threads),
            MOST_ABANDONED,
        )
        if sys.platform == "linux":  # where each thread has a priority of its own
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, thread, LOWEST_PRIORITY)

    def remove(self, thread: int) -> None:
        """Count a query no more, which has ended at last."""
        with self._lock:
            self._threads.discard(thread)
        log.warning("a query that went on although it was ended has come to its end")


ABANDONED = Abandoned()


class Guard:
    """Looks at the running queries of a store from a thread of its own, which ends with the last of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: list[Watched] = []
        self._thread: threading.Thread | None = None

    def watch(self, query: Watched) -> None:
        """Look after a query from now on."""
        with self._changed:
            if not self._watched:
                BOUND.take()
            self._watched.append(query)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="query-guard", daemon=True)
                self._thread.start()

    def forget(self, query: Watched) -> None:
        """Look after a query no more."""
        with self._changed:
            self._watched.remove(query)
            if not self._watched:
                BOUND.give_back()
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._watched:
                    self._thread = None
                    return
                watched = list(self._watched)
            self._look(watched)
            with self._changed:
                self._changed.wait(INTERVAL_SECONDS)

    def _look(self, watched: list[Watched]) -> None:
        excess = BOUND.excess()
        for query in watched:
            if excess:
                query.stop(excess)
            query.check(time.monotonic())


def headroom_bytes(meminfo: str) -> int:
    """Return by how much the process may grow at most while queries run, from ``/proc/meminfo`` (proc(5))."""
    found = re.search(r"^MemAvailable: +(\d+) kB", meminfo, re.MULTILINE)
    available = int(found[1]) * 1024 if found else 2 * HEADROOM_BYTES
    return max(LEAST_HEADROOM_BYTES, min(HEADROOM_BYTES, available // 2))


def statm_bytes(column: int) -> int:
    """Return a column of ``/proc/self/statm`` in bytes: 1 is resident, 5 is data and stack (proc(5))."""
    return int(_STATM.read_text().split()[column]) * resource.getpagesize()
