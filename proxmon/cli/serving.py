"""``proxmon serve``, ``first-look`` and ``demo``: the commands that run the server."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxmon.auth import hash_password
from proxmon.cli.in_store import private_files
from proxmon.cli.options import Commands, add_data_option, settings_of
from proxmon.config import Settings
from proxmon.context import Monitor
from proxmon.demo.feeder import feed_demo
from proxmon.demo.history import HOSTS_WITH_PAST, Past, write_history
from proxmon.errors import SettingsError
from proxmon.logs import set_up_logging
from proxmon.parts import load_part
from proxmon.signals import ending_signals
from proxmon.spared import spare_pandas

DEMO_HOSTS = 8
DEMO_DAYS = 30.0
# Less than the server waits for what runs beside it.
AGENT_SECONDS = 3.5


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    server = _add(commands, "serve", serve, "run the server; needs DASHBOARD_PASSWORD_HASH (see hash-password)")
    text = "show a bundle or the copy of a data directory, and change nothing in it (PROXMON_READ_ONLY)"
    server.add_argument("--read-only", action="store_const", const=True, help=text)
    text = "let other DuckDBs on this machine ATTACH, at an address such as 127.0.0.1:9494 (PROXMON_QUACK)"
    server.add_argument("--quack", metavar="A", help=text)
    _add(commands, "first-look", first_look, "run the server and an agent for this machine, with a new password")
    demo = _add(commands, "demo", run_demo, "run the server with a simulated fleet, in a directory of its own")
    demo.add_argument("--hosts", type=int, default=DEMO_HOSTS, metavar="N", help=f"how many hosts ({DEMO_HOSTS})")
    text = f"how many days of history to make first ({DEMO_DAYS:g}; none for more than {HOSTS_WITH_PAST} hosts)"
    demo.add_argument("--days", type=float, metavar="D", help=text)


def _add(commands: Commands, name: str, run: object, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--address", metavar="A", help="address to listen on (PROXMON_ADDRESS, 127.0.0.1)")
    parser.add_argument("--port", metavar="P", help="port to listen on (PROXMON_PORT, 5006)")
    parser.add_argument("--prefix", metavar="PATH", help="path under which a proxy serves us (PROXMON_PREFIX)")
    add_data_option(parser)
    parser.set_defaults(run=run)
    return parser


def serve(options: argparse.Namespace) -> None:
    """Run the server."""
    start(settings_of(options))


def first_look(options: argparse.Namespace) -> None:
    """Run the server and an agent for this machine."""
    settings = with_password(settings_of(options))
    start(settings, watch_this_machine)


def run_demo(options: argparse.Namespace) -> int:
    """Run the server with a simulated fleet; its store is gone afterwards unless --data names a place.

    Returns the exit status, which names the signal that ended it while it made the history.
    """
    if options.days is not None and not 0 <= options.days <= 365:
        raise SettingsError("Choose from 0 to 365 days of history: --days 30.")
    if options.hosts < 1:
        raise SettingsError("Choose at least one host for the demo: --hosts 8.")
    spare_pandas()  # before the history is made
    told = note_endings()
    with tempfile.TemporaryDirectory(prefix="proxmon-demo-") as directory:
        options.data = options.data or directory
        settings = with_password(settings_of(options))
        usual = DEMO_DAYS if options.hosts <= HOSTS_WITH_PAST else 0.0
        days = usual if options.days is None else options.days
        past = make_past(settings, options.hosts, days, is_over=lambda: bool(told))
        if told:
            return 128 + told[0]
        start(settings, _demo(options.hosts, past, told))
    return 0


def note_endings() -> Sequence[int]:
    """Return the list that signals which end us are put into, until the server runs, which has handlers of its own.

    None raises an error, not even Ctrl-C: DuckDB makes another one of what is raised in the midst of a query.
    """
    told = list[int]()
    for number in ending_signals():
        signal.signal(number, lambda number, _: told.append(number))
    return told


def make_past(settings: Settings, hosts: int, days: float, is_over: Callable[[], bool] = lambda: False) -> Past | None:
    """Write the demo's history into a store without hosts; one that has some keeps the history it has."""
    with private_files():
        store = load_part("store").open(Path(settings.data))
        try:
            if days <= 0 or store.snapshot().hosts:
                return None
            print(f"  Making {days:g} days of history…", flush=True)
            return write_history(store, settings, datetime.now(UTC), hosts=hosts, days=days, is_over=is_over)
        finally:
            store.close()


def _demo(hosts: int, past: Past | None, told: Sequence[int]) -> Callable[[Monitor, str], Awaitable[None]]:
    async def feed(monitor: Monitor, url: str) -> None:
        if told:  # while the server started, which has heard nothing of it
            signal.raise_signal(told[0])
        await feed_demo(monitor, url, hosts, past=past)

    return feed


def with_password(settings: Settings) -> Settings:
    """Return the settings with the password that is set, or with a new one that is printed this once."""
    if settings.password_hash:
        return settings
    password = secrets.token_urlsafe(9)
    print(f"\n  Password for this run: {password}\n", flush=True)
    return replace(settings, password_hash=hash_password(password))


def start(settings: Settings, companion: Any = None) -> None:
    """Run the server until it is told to stop; says where to look."""
    set_up_logging(settings.log_level, settings.log_format)
    load_part("serve")(settings, companion)


async def watch_this_machine(monitor: Monitor, url: str) -> None:
    """Run an agent for this very machine as long as the server runs."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:63] or "localhost"
    is_known = monitor.board.find_named(name) is not None
    issued = await (monitor.hosts.rotate(name) if is_known else monitor.hosts.add(name))
    # The token goes through the environment: a command line shows it to every user of the machine.
    environment = {**os.environ, "PROXMON_TOKEN": issued.token}
    arguments = ("-m", "proxmon.agent", "--server", url)
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment)
    try:
        await process.wait()
    finally:
        # It says goodbye to the server, which therefore waits for it.
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), AGENT_SECONDS)
        if process.returncode is None:
            process.kill()
