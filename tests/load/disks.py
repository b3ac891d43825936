"""Disks that are full or read-only in earnest, in a namespace of their own, so that nobody needs to be root for it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from proxmon.control import LocalServer, read_control
from tests.servers import ROOT, Server

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
MIB = 2**20


class Disk:
    """A file system that is mounted at a directory for the processes of one namespace, as long as its own one runs."""

    def __init__(self, directory: Path, *program: str) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self._keeper = subprocess.Popen(
            [*NAMESPACE, *program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._expect("mounted")

    @property
    def seen(self) -> Path:
        """Return where its files are seen from outside."""
        return Path(f"/proc/{self._keeper.pid}/root{self.directory}")

    @property
    def wrapper(self) -> tuple[str, ...]:
        """Return what runs a command where the disk is mounted."""
        enter = ("nsenter", f"--target={self._keeper.pid}", "--user", "--mount", "--preserve-credentials")
        return (*enter, "env", f"--chdir={ROOT}")

    def close(self) -> None:
        """End the namespace, and the disk with it."""
        self._keeper.communicate(timeout=10)

    def _expect(self, word: str) -> None:
        assert self._keeper.stdout is not None
        said = self._keeper.stdout.readline()
        assert said.strip() == word.encode(), said + self._keeper.communicate()[0]

    def _tell(self, word: str) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(f"{word}\n".encode())
        self._keeper.stdin.flush()
        self._expect(word)


class SmallDisk(Disk):
    """A disk of 128 MiB, which a file beside those of the server fills."""

    def __init__(self, directory: Path) -> None:
        script = 'mount -t tmpfs -o size=128m,mode=700 none "$0" && echo mounted && exec cat'
        super().__init__(directory, "sh", "-c", script, str(directory))
        self._filler = self.seen / "filler"

    def fill(self, left_bytes: int = 0) -> None:
        """Leave so much room, while others go on to write."""
        with self._filler.open("wb") as file:
            while (excess := self._free_bytes() - left_bytes) > 0:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), excess)
                except OSError as error:  # somebody was faster
                    if error.errno != errno.ENOSPC:
                        raise

    def make_room(self) -> None:
        """Delete the file that fills it."""
        self._filler.unlink()

    def _free_bytes(self) -> int:
        found = os.statvfs(self.seen)
        return found.f_bavail * found.f_frsize


class SwitchableDisk(Disk):
    """A disk that can be made read-only under files that are open; mount refuses that of its own file systems."""

    def __init__(self, directory: Path) -> None:
        self._below = directory.with_name(f"{directory.name}-below")
        self._below.mkdir(parents=True, mode=0o700)
        super().__init__(directory, sys.executable, "-m", "tests.load.fuse_disk", str(self._below), str(directory))

    @property
    def seen(self) -> Path:
        """Return where its files are seen from outside."""
        return self._below

    def make_read_only(self) -> None:
        """Refuse to change anything from now on."""
        self._tell("read-only")

    def make_writable(self) -> None:
        """Take changes again."""
        self._tell("writable")


class DiskServer(Server):
    """A server whose data directory is such a disk."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.directory, wrapper=disk.wrapper)
        self._disk = disk

    def _find_control(self) -> LocalServer | None:
        return read_control(self._disk.seen)


@cache
def find_obstacle(device: str = os.devnull) -> str:
    """Return why no disk can be mounted in a namespace here, with the help of a device; empty when one can."""
    command = [*NAMESPACE, "sh", "-c", f"mount -t tmpfs none /tmp && exec 3<>{device}"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError as error:
        return str(error)
    return (tried.stderr.strip() or "refused") if tried.returncode else ""
