"""The process that lets other DuckDBs attach: where it listens, and how it is kept beside the server."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
import tempfile
import time
from contextlib import suppress

from proxmon.errors import SettingsError

log = logging.getLogger(__name__)

DEFAULT_ADDRESS = "127.0.0.1:9494"
LARGEST_PORT = 65_535
# Quack knows no TLS of its own: a token must not leave the machine.
_ADDRESS = re.compile(r"(?:127\.0\.0\.1|localhost):(\d{1,5})")
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
STEADY_SECONDS = 60.0  # a process that ran for as long was well
STOP_SECONDS = 2.0


def check_address(address: str) -> None:
    """Raise SettingsError unless this is a port of this machine that other machines do not reach."""
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found[1]) <= LARGEST_PORT:
        raise SettingsError(
            f"Set --quack or PROXMON_QUACK to an address of this machine such as {DEFAULT_ADDRESS}, not {address!r}: "
            "from another machine, run `proxmon quack --server URL` there."
        )


async def keep_quack(address: str, server_url: str) -> None:
    """Run the process until cancelled, and start it again whenever it ends."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        began_at = time.monotonic()
        status = await _run(address, server_url)
        if time.monotonic() - began_at > STEADY_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        log.warning("proxmon quack ended with %d and is started again in %g s", status, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def _run(address: str, server_url: str) -> int:
    """Run the process to its end and return its exit status."""
    # Not in the current directory, whose modules may have names that ours have.
    command = (sys.executable, "-P", "-m", "proxmon", "quack", "--listen", address, "--server", server_url)
    parent = ("--parent", str(os.getpid()))
    # What a process that is killed leaves behind goes with this directory.
    with tempfile.TemporaryDirectory(prefix="proxmon-quack-", ignore_cleanup_errors=True) as scratch:
        process = await asyncio.create_subprocess_exec(*command, *parent, env={**os.environ, "TMPDIR": scratch})
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), STOP_SECONDS)
            if process.returncode is None:
                process.kill()
