"""Keeps collected samples until the server has them: one small file each, bounded, oldest dropped first.

Every sample is written before it is sent, so that a killed agent finds it again; the file is removed once the server
has it. Neither is forced to the disk while the server answers: created and removed within seconds, such a file mostly
never reaches it. While the server is away each is forced, to survive a power loss as well.
"""

from __future__ import annotations

import fcntl
import os
import threading
import zlib
from collections import OrderedDict

from .log import log

MAX_MEMORY_BYTES = 2 << 20  # compressed samples that are kept when the disk takes none: about half an hour
SUFFIX = ".sample"


class Entry:
    """One sample that waits: its number, tier, and its compressed text when no file holds it."""

    __slots__ = ("data", "number", "size_bytes", "tier")

    def __init__(self, number: int, tier: str, size_bytes: int) -> None:
        self.number = number
        self.tier = tier
        self.size_bytes = size_bytes
        self.data: bytes | None = None

    @property
    def file_name(self) -> str:
        """Return the name of its file, which sorts by number."""
        return f"{self.number:012d}-{self.tier}{SUFFIX}"


class Spool:
    """The samples that the server does not have yet, in the order of their collection; for use by several threads."""

    def __init__(self, folder: str | None, max_samples: int, max_bytes: int) -> None:
        self._folder = folder
        self._max_samples = max_samples
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._next_number = 1
        self._lock_fd: int | None = None
        self._disk_works = folder is not None
        self._memory_bytes = 0
        self.size_bytes = 0
        self.dropped_count = 0
        if folder is not None:
            self._open(folder)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, tier: str, text: bytes, durable: bool = False) -> Entry:
        """Keep one sample; `durable` forces it to the disk."""
        data = zlib.compress(text, 6)
        with self._lock:
            entry = Entry(self._next_number, tier, len(data))
            self._next_number += 1
            if not self._write(entry, data, durable):
                entry.data = data
                self._memory_bytes += len(data)
            self._entries[entry.number] = entry
            self.size_bytes += entry.size_bytes
            self._make_room()
            return entry

    def entries(self) -> list[Entry]:
        """Return what waits, oldest first."""
        with self._lock:
            return list(self._entries.values())

    def read(self, entry: Entry) -> bytes | None:
        """Return a sample's text; None when it is gone or damaged, which drops and counts it."""
        data = entry.data
        try:
            if data is None:
                with open(self._path(entry), "rb") as file:
                    data = file.read()
            return zlib.decompress(data)
        except (OSError, zlib.error) as error:
            with self._lock:
                if self._forget(entry):
                    self.dropped_count += 1
                    log.warning("a spooled sample cannot be read and is dropped: %s", error)
            return None

    def remove(self, entry: Entry, dropped: bool = False) -> None:
        """Forget a sample that the server has, or, `dropped`, one that it will never take."""
        with self._lock:
            if self._forget(entry) and dropped:
                self.dropped_count += 1

    def close(self) -> None:
        """Let another agent use the folder."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _open(self, folder: str) -> None:
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self._lock_fd = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("another agent uses the spool %s: samples are kept in memory only", folder)
            self._disk_works, self._folder = False, None
            return
        except OSError as error:
            self._disk_works = False
            log.warning("samples are kept in memory only: the spool %s cannot be used: %s", folder, error.strerror)
            return
        for name in sorted(os.listdir(folder)):
            self._find(folder, name)
        if self._entries:
            log.info("%s samples from before wait in the spool", len(self._entries))

    def _find(self, folder: str, name: str) -> None:
        number, _, tier = name[: -len(SUFFIX)].partition("-")
        if not name.endswith(SUFFIX) or not number.isdigit() or not tier:
            if name.endswith(".part"):
                os.unlink(os.path.join(folder, name))
            return
        entry = Entry(int(number), tier, os.path.getsize(os.path.join(folder, name)))
        self._entries[entry.number] = entry
        self.size_bytes += entry.size_bytes
        self._next_number = max(self._next_number, entry.number + 1)

    def _path(self, entry: Entry) -> str:
        return os.path.join(self._folder or "", entry.file_name)

    def _write(self, entry: Entry, data: bytes, durable: bool) -> bool:
        if self._folder is None:
            return False
        path = self._path(entry)
        try:
            with open(path + ".part", "wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(path + ".part", path)
        except OSError as error:
            self._remove_file(path + ".part")
            self._tell(works=False, reason=error.strerror or "")
            return False
        self._tell(works=True, reason="")
        return True

    def _tell(self, works: bool, reason: str) -> None:
        """Say once when the disk stops taking samples, and once when it takes them again."""
        if works == self._disk_works:
            return
        self._disk_works = works
        if works:
            log.info("the spool %s can be written again", self._folder)
        else:
            log.warning("the spool %s cannot be written (%s): samples are kept in memory", self._folder, reason)

    def _make_room(self) -> None:
        before = self.dropped_count
        while len(self._entries) > self._max_samples or self.size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries.values())))
        while self._memory_bytes > MAX_MEMORY_BYTES:
            self._drop(next(entry for entry in self._entries.values() if entry.data is not None))
        if before == 0 and self.dropped_count:
            log.warning("the spool is full: from now on the oldest samples are dropped and counted")

    def _drop(self, entry: Entry) -> None:
        self._forget(entry)
        self.dropped_count += 1

    def _forget(self, entry: Entry) -> bool:
        if self._entries.pop(entry.number, None) is None:
            return False
        self.size_bytes -= entry.size_bytes
        if entry.data is not None:
            self._memory_bytes -= entry.size_bytes
        else:
            self._remove_file(self._path(entry))
        return True

    @staticmethod
    def _remove_file(path: str) -> None:
        try:
            os.unlink(path)
        except OSError:
            return
