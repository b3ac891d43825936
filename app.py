"""The composition root: joins store, monitor, pages and server.

``proxmon serve`` and ``panel serve app.py`` both end in ``serve`` below: an installed proxmon hands the second over
before Panel would run this file (proxmon/panel_entry.py). Panel runs it only where proxmon is not installed.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import os
import resource
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

# Said before the imports, which would fail where nothing is installed.
if __name__.startswith("bokeh_app_"):
    raise RuntimeError("Install proxmon first, then serve this file: pip install -e .")

import panel as pn
import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]
import uvloop

from dashboards.auth import cookie_secret
from dashboards.server import listen_locally, make_server
from proxmon.agent.settings import VARIABLES
from proxmon.auth import check_password_hash
from proxmon.config import Settings, warn_of_unknown_names
from proxmon.context import Monitor
from proxmon.control import private_key, remove_control, write_control
from proxmon.errors import SettingsError
from proxmon.install import EVERY_INTERFACE, reach_of
from proxmon.quack import keep_quack
from proxmon.runtime import keep_ticking, make_monitor, run_until_told
from proxmon.signals import tell_stacks
from proxmon.spared import spare_pandas
from storage import Store, find_extensions
from storage.guard import ABANDONED

Companion = Callable[[Monitor, str], Coroutine[None, None, None]]
# After each read and write the event loop waits for the thread that runs; by default for ten times as long.
SWITCH_SECONDS = 0.0005
# A short command may have the store open just now.
PATIENCE_SECONDS = 5.0
# Each agent and each page keeps a connection, and services are started with room for 1,024 of them.
MOST_FILES = 65_536
# New objects between two looks at the young ones. A message of 50 samples makes three times the default of 700.
YOUNG_OBJECTS = 20_000


def serve(settings: Settings, companion: Companion | None = None, options: Mapping[str, Any] | None = None) -> None:
    """Run the server until it is told to stop.

    ``companion`` runs beside it once it listens, with the monitor and the server's local address. ``options`` go to
    Bokeh's server.

    Raises:
        SettingsError: a setting cannot be used, or the address not listened on.
        StoreUnavailableError: the data directory cannot be used.
    """
    # Should it ever hang: `kill -USR1` makes it say on standard error where each thread is.
    tell_stacks(output=2)
    sys.setswitchinterval(SWITCH_SECONDS)
    # Nobody else may read what is made in the data directory, such as DuckDB's log.
    os.umask(0o077)
    # Arrow's own allocator keeps what it has once had: some 35 MB.
    pa.set_memory_pool(pa.system_memory_pool())
    spare_pandas()
    # A message costs it a tenth less than asyncio's own loop.
    asyncio.set_event_loop(uvloop.new_event_loop())
    allow_files(MOST_FILES)
    check_password_hash(settings.password_hash)
    warn_of_unknown_names(os.environ, VARIABLES)
    if settings.quack:
        find_extensions()
    store = open_store(settings)
    directory = store.directory
    try:
        pn.extension()
        monitor = make_monitor(store, settings)
        key = private_key(directory / "cookie.key")
        server = make_server(monitor, cookie_secret(key, settings.password_hash), **(options or {}))
        url = local_url(settings, server.port)
        local = url if settings.scheme == "http" else listen_locally(server) + settings.root
        monitor.tokens.trust(write_control(directory, local, reach_of(settings, server.port)).token)
        spare_collector()
        print(f"  proxmon listens on {url}", flush=True)
        works = [keep_ticking(monitor), *([companion(monitor, local)] if companion else [])]
        works += [keep_quack(settings.quack, local)] if settings.quack else []
        server.start()
        server.io_loop.run_sync(partial(run_until_told, *works))
        print("\n  proxmon stops", flush=True)
        server.stop()
    finally:
        remove_control(directory)
        store.close()
        if ABANDONED:
            atexit.register(leave)


def leave() -> None:
    """End the process at once: a query that hears nothing must not meet what Python and DuckDB take down."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody may read it any more
            stream.flush()
    os._exit(0)


def spare_collector() -> None:
    """Keep the garbage collector from looking again and again at what stays for as long as the server runs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def open_store(settings: Settings) -> Store:
    """Open the store, or a copy to be read only.

    Raises:
        SettingsError: it is a file, which can only be read, and that was not asked for.
    """
    if settings.read_only:
        return Store.open_copy(settings.data_directory)
    if settings.data_directory.is_file():
        raise SettingsError(
            f"Name a directory with --data or PROXMON_DATA: {settings.data_directory} is a file. "
            "Add --read-only to see one that `proxmon bundle` made."
        )
    return Store.open(settings.data_directory, retention=settings.retention, patience_seconds=PATIENCE_SECONDS)


def allow_files(count: int) -> None:
    """Let this process open so many files and connections, or as many as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def local_url(settings: Settings, port: int | None) -> str:
    """Return how a browser on this machine reaches the server."""
    address = "127.0.0.1" if settings.address in EVERY_INTERFACE else settings.address
    host = f"[{address}]" if ":" in address else address
    return f"{settings.scheme}://{host}:{port}{settings.root}"
