"""The machine that is watched: its files below a root folder, its programs and its clock."""

from __future__ import annotations

import os
import time
from typing import Callable

from .programs import Programs

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_FILE_BYTES = 4 << 20  # /run/pve/metrics holds 181 generations; only its first line is read


class Machine:
    """Gives access to one machine; with another root and search path, to a recorded one."""

    def __init__(
        self,
        root: str = "/",
        programs: Programs | None = None,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root
        self.programs = programs or Programs(DEFAULT_PATH)
        self.wall_clock = wall_clock
        self.monotonic = monotonic

    def path(self, path: str) -> str:
        """Return where an absolute path of the watched machine lies on this one."""
        return os.path.join(self.root, path.lstrip("/"))

    def read_text(self, path: str, max_bytes: int = MAX_FILE_BYTES) -> str:
        """Return a file's text, cut at a limit.

        Raises:
            OSError: it cannot be read.

        """
        with open(self.path(path), "rb") as file:
            return file.read(max_bytes).decode("utf-8", "replace")

    def find_text(self, path: str, max_bytes: int = MAX_FILE_BYTES) -> str | None:
        """Return a file's text, or None when it cannot be read."""
        try:
            return self.read_text(path, max_bytes)
        except OSError:
            return None

    def read_first_line(self, path: str, max_bytes: int = MAX_FILE_BYTES) -> str:
        """Return the first line of a file that may be much longer.

        Raises:
            OSError: it cannot be read.

        """
        with open(self.path(path), "rb") as file:
            return file.readline(max_bytes).decode("utf-8", "replace")

    def exists(self, path: str) -> bool:
        """Say whether there is such a file or folder."""
        return os.path.exists(self.path(path))

    def list_folder(self, path: str) -> list[str]:
        """Return the names in a folder in order, none when there is no such folder."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []

    def modified_at(self, path: str) -> float | None:
        """Return a file's modification time as Unix seconds, or None without such a file."""
        try:
            return os.stat(self.path(path)).st_mtime
        except OSError:
            return None
