"""The composition root: joins store, monitor, pages and server.

``proxmon serve`` and ``panel serve app.py`` both end in ``serve`` below: an installed proxmon hands the second over
before Panel would run this file (dashboards/panel_serve.py). Panel runs it only where proxmon is not installed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import panel as pn

from dashboards.auth import cookie_secret
from dashboards.server import make_server
from proxmon.auth import check_password_hash
from proxmon.config import Settings
from proxmon.context import Monitor
from proxmon.control import private_key, remove_control, write_control
from proxmon.runtime import keep_ticking, make_monitor
from storage import Store

Companion = Callable[[Monitor, str], Coroutine[None, None, None]]


def serve(settings: Settings, companion: Companion | None = None) -> None:
    """Run the server until it is told to stop.

    ``companion`` runs beside it once it listens, with the monitor and the server's local address.

    Raises:
        SettingsError: a setting cannot be used; StoreUnavailableError: the data directory cannot.
        OSError: the address cannot be listened on.
    """
    check_password_hash(settings.password_hash)
    directory = settings.data_directory
    store = Store.open(directory, retention=settings.retention)
    try:
        pn.extension()
        monitor = make_monitor(store, settings)
        key = private_key(directory / "cookie.key")
        server = make_server(monitor, cookie_secret(key, settings.password_hash))
        url = local_url(settings, server.port)
        monitor.tokens.trust(write_control(directory, url).token)
        print(f"  proxmon listens on {url}", flush=True)
        server.io_loop.add_callback(_run_beside, monitor, url, companion)
        server.run_until_shutdown()
    finally:
        remove_control(directory)
        store.close()


def local_url(settings: Settings, port: int | None) -> str:
    """Return how this machine's own programs reach the server."""
    every = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104 - asked for, not bound here
    address = every.get(settings.address, settings.address)
    return f"http://{address}:{port}{settings.root}"


async def _run_beside(monitor: Monitor, url: str, companion: Companion | None) -> None:
    running = companion(monitor, url) if companion else asyncio.sleep(0)
    await asyncio.gather(keep_ticking(monitor), running)


if __name__.startswith("bokeh_app_"):
    raise SystemExit("Install proxmon first, then serve this file: pip install -e .")
