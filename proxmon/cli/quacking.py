"""``proxmon quack``: lets other DuckDBs on this machine attach the fleet of a server here or elsewhere."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from proxmon.cli.options import Commands, add_data_option, settings_of
from proxmon.config import Settings
from proxmon.control import read_control
from proxmon.errors import NotFoundError, ProxmonError
from proxmon.logs import set_up_logging
from proxmon.parts import load_part
from proxmon.quack import DEFAULT_ADDRESS, check_address
from proxmon.runtime import utc_now

BEAT_SECONDS, LOOK_BEATS = 0.2, 10  # memory is looked at with each beat
NICENESS = 10  # the server comes first


def add_commands(commands: Commands) -> None:
    """Add the command."""
    text = "let other DuckDBs on this machine ATTACH the fleet (a preview; needs proxmon[quack])"
    parser = commands.add_parser("quack", help=text, description=f"{text}. docs/analysts.md has more.")
    parser.add_argument("--listen", metavar="A", default=DEFAULT_ADDRESS, help=f"where ({DEFAULT_ADDRESS})")
    parser.add_argument("--server", metavar="URL", help="the server; by default that of the data directory")
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)  # ends with the server that started it
    add_data_option(parser)
    parser.set_defaults(run=run_quack)


def run_quack(options: argparse.Namespace) -> None:
    """Serve until told to stop, or until the server that started this has gone."""
    settings = settings_of(options)
    set_up_logging(settings.log_level, settings.log_format)
    check_address(options.listen)
    url, told = options.server or local_url(settings), threading.Event()

    def stop(*_: object) -> None:
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    os.nice(NICENESS)
    with TemporaryDirectory(prefix="proxmon-quack-", ignore_cleanup_errors=True) as scratch:
        status = serve(url, options.listen, Path(scratch), lambda: told.wait(BEAT_SECONDS) or is_orphan(options.parent))
    # Quack's threads may wait for an answer: Python would abort when it tears them down.
    sys.stdout.flush()
    os._exit(status)


def serve(url: str, address: str, scratch: Path, is_over: Callable[[], bool]) -> int:
    """Serve until it is over, which is asked all the time; returns the exit status."""
    from proxmon.client.bridge import Bridge  # noqa: PLC0415 - Arrow and pandas take a second to load

    try:
        server = load_part("quack")(Bridge(url), address, scratch)
        server.serve()
        print(f"  proxmon lets DuckDB attach quack:{address}", flush=True)
        for beat in count():
            if is_over():
                break
            server.check_memory()
            if beat % LOOK_BEATS == 0:
                server.look_after(utc_now())
    except ProxmonError as error:
        print(f"proxmon: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def is_orphan(parent: int | None) -> bool:
    """Tell whether the process that started this one has gone."""
    return parent not in (None, os.getppid())


def local_url(settings: Settings) -> str:
    """Return the address of the data directory's server. Raises NotFoundError when none runs."""
    running = read_control(settings.data_directory)
    if running is None:
        raise NotFoundError(f"Start the server of {settings.data_directory} first, or name one with --server URL.")
    return running.url
