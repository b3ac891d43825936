"""Runs other programs so that none of them can hang the agent, flood its memory or outlive it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import IO, Callable, NamedTuple

from .log import log

MAX_OUTPUT_BYTES = 2 << 20  # a status of 1,000 disks as JSON is about 1 MB
MAX_ERROR_BYTES = 8 << 10
GRACE_SECONDS = 0.5  # between SIGTERM and SIGKILL, and between SIGKILL and giving up
OnLine = Callable[[str], None]


class ProgramError(Exception):
    """A program gave no usable answer; the text says why, for a person to read."""


class ProgramMissingError(ProgramError):
    """The program is not installed."""


class Finished(NamedTuple):
    """What a program printed before it ended by itself."""

    stdout: str
    stderr: str
    returncode: int


class _Running:
    """One started program, with the ends of its pipes."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, started_at: float) -> None:
        self.process = process
        self.name = name
        self.started_at = started_at
        self.ended = False


class Programs:
    """Finds and runs programs of one search path, each within a deadline.

    A child that survives SIGKILL (it waits in the kernel, as `zpool` does on a suspended pool) is abandoned: its
    command is not started again until the kernel lets it go, and asking for it says since when it is stuck.
    """

    def __init__(self, path: str, kill_group: Callable[[int, int], None] = os.killpg) -> None:
        self._path = path
        self._kill_group = kill_group
        self._lock = threading.Lock()
        self._running: list[_Running] = []
        self._stuck: dict[tuple[str, ...], _Running] = {}
        self._stopping = False
        self.started_count = 0

    def find(self, name: str) -> str | None:
        """Return the full path of a program, or None when it is not on the search path."""
        for folder in self._path.split(os.pathsep):
            candidate = os.path.join(folder, name)
            if folder and os.path.isfile(candidate) and os.access(candidate, os.X_OK):
                return candidate
        return None

    def run(
        self,
        argv: Sequence[str],
        deadline_seconds: float,
        on_line: OnLine | None = None,
        max_bytes: int = MAX_OUTPUT_BYTES,
    ) -> Finished:
        """Run a program and return what it printed; with `on_line`, hand each line over instead of keeping it.

        Raises:
            ProgramMissingError: it is not on the search path.
            ProgramError: it could not be started, was too slow or too talkative, or is still stuck from before.

        """
        command = " ".join(argv[:2])
        key = tuple(argv[:2])
        one = self._stuck.get(key)
        if one is not None and self._is_stuck(key):
            seconds = round(time.monotonic() - one.started_at)
            raise ProgramError(f"{command} has been stuck in the kernel for {seconds} s (process {one.process.pid})")
        running = self._start(argv)
        output = _Output(running, command, on_line, max_bytes)
        try:
            output.read_until(time.monotonic() + deadline_seconds, deadline_seconds)
            return Finished(output.text(), output.error_text(), self._end(running, key))
        except BaseException:
            self._kill(running, key)
            raise
        finally:
            _close_pipes(running.process)

    def stop_all(self) -> None:
        """Kill whatever still runs, for the agent's own end; nothing can be started afterwards."""
        with self._lock:
            self._stopping = True
            running = list(self._running)
        for one in running:
            self._signal(one, signal.SIGKILL)

    def stuck_commands(self) -> list[str]:
        """Return the commands that were abandoned and have not been let go by the kernel yet."""
        for key in list(self._stuck):
            self._is_stuck(key)
        return [" ".join(key) for key in list(self._stuck)]

    def _is_stuck(self, key: tuple[str, ...]) -> bool:
        one = self._stuck.get(key)
        if one is not None and one.process.poll() is not None:
            self._stuck.pop(key, None)
            log.info("%s is no longer stuck", " ".join(key))
        return key in self._stuck

    def _start(self, argv: Sequence[str]) -> _Running:
        full_path = self.find(argv[0])
        if full_path is None:
            raise ProgramMissingError(f"{argv[0]} is not installed")
        # TZ: dates are then printed in UTC and need no guess about the host's zone or the hour that occurs twice.
        environment = {"PATH": self._path, "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent"}
        with self._lock:
            if self._stopping:
                raise ProgramError("the agent is stopping")
            try:
                process = subprocess.Popen(
                    [full_path, *argv[1:]],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProgramError(f"{argv[0]} could not be started: {error.strerror}") from error
            running = _Running(process, argv[0], time.monotonic())
            self._running.append(running)
            self.started_count += 1
            return running

    def _end(self, running: _Running, key: tuple[str, ...]) -> int:
        """Reap a program that closed its output, together with anything it left behind in its group."""
        if not _wait_for_exit(running.process, GRACE_SECONDS):
            raise ProgramError(f"{running.name} closed its output but did not end")
        self._kill(running, key)
        return running.process.returncode

    def _kill(self, running: _Running, key: tuple[str, ...]) -> None:
        """End the whole group; the group is signalled before its leader is reaped, so the id cannot be another's."""
        if running.ended:
            return
        if not _has_exited(running.process):
            self._signal(running, signal.SIGTERM)
            _wait_for_exit(running.process, GRACE_SECONDS)
        self._signal(running, signal.SIGKILL)
        gone = _wait_for_exit(running.process, GRACE_SECONDS)
        with self._lock:
            self._running.remove(running)
            running.ended = True
            if gone:
                running.process.wait()
            else:
                self._stuck[key] = running
        if not gone:
            log.warning("%s survives SIGKILL; process %s is abandoned", " ".join(key), running.process.pid)

    def _signal(self, running: _Running, number: int) -> None:
        try:
            self._kill_group(running.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return


class _Output:
    """Gathers the two output streams of one program, within limits of time and size."""

    def __init__(self, running: _Running, command: str, on_line: OnLine | None, max_bytes: int) -> None:
        assert running.process.stdout is not None
        assert running.process.stderr is not None
        self._process = running.process
        self._streams: dict[int, IO[bytes]] = {
            stream.fileno(): stream for stream in (running.process.stdout, running.process.stderr)
        }
        self._stdout_fd = running.process.stdout.fileno()
        self._command = command
        self._on_line = on_line
        self._max_bytes = max_bytes
        self._seen_bytes = 0
        self._kept = bytearray()
        self._errors = bytearray()

    def read_until(self, deadline: float, seconds: float) -> None:
        poller = select.poll()
        open_fds = set(self._streams)
        for fd in open_fds:
            poller.register(fd, select.POLLIN | select.POLLHUP)
        while open_fds:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise ProgramError(f"{self._command} gave no answer within {seconds:g} s")
            # Waking once a second notices a program that ended while a child of it keeps the pipe open.
            ready = poller.poll(min(remaining, 1.0) * 1000)
            if not ready and _has_exited(self._process):
                break
            for fd, _events in ready:
                if not self._take(fd):
                    poller.unregister(fd)
                    open_fds.discard(fd)
        self._flush_last_line()

    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")

    def error_text(self) -> str:
        return self._errors.decode("utf-8", "replace")

    def _take(self, fd: int) -> bool:
        chunk = os.read(fd, 65536)
        if fd != self._stdout_fd:
            self._errors += chunk[: MAX_ERROR_BYTES - len(self._errors)]
            return bool(chunk)
        self._seen_bytes += len(chunk)
        if self._seen_bytes > self._max_bytes:
            raise ProgramError(f"{self._command} printed more than {self._max_bytes >> 20} MiB and was stopped")
        self._kept += chunk
        if self._on_line and b"\n" in chunk:
            *lines, rest = bytes(self._kept).split(b"\n")
            self._kept = bytearray(rest)
            for line in lines:
                self._on_line(line.decode("utf-8", "replace"))
        return bool(chunk)

    def _flush_last_line(self) -> None:
        if self._on_line and self._kept:
            self._on_line(self.text())
            self._kept.clear()


def _has_exited(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the process ended, without reaping it: until then its process group id stays its own."""
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _wait_for_exit(process: subprocess.Popen[bytes], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    pause = 0.0005
    while not _has_exited(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return True


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
