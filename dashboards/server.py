"""Serves the pages: Panel's server with our routes, login and origin check."""

from __future__ import annotations

import errno
import logging
import ssl
from asyncio import AbstractEventLoop
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from panel.io.server import DocHandler, Server, get_server
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import StaticFileHandler, authenticated
from tornado.websocket import WebSocketClosedError

from dashboards import assets_directory
from dashboards.auth import SessionAuth, list_login_routes
from dashboards.downloads import list_download_routes
from dashboards.headers import HEADERS, PAGE_POLICY, add_headers
from dashboards.links import list_link_routes
from dashboards.missing import MissingPageHandler
from dashboards.pages import PAGES, page_function
from dashboards.sockets import PageSocket
from proxmon.config import Settings
from proxmon.context import Monitor
from proxmon.errors import SettingsError
from proxmon.handlers.agentconnection import Lane
from proxmon.handlers.bodies import MAX_BYTES, BoundedBodies
from proxmon.handlers.lane import IngestLane
from proxmon.handlers.routes import list_routes

log = logging.getLogger(__name__)

PING_SECONDS = 20
# An agent keeps its connection between two samples; who sends one byte a second is cut off in the end.
IDLE_SECONDS, BODY_SECONDS = 300, 300
BACKLOG = 1024  # connections that wait to be accepted: a fleet that returns after an outage comes at once
ASSET_SECONDS = 365 * 86_400


class PageHandler(DocHandler):
    """A page; without a session it answers 302 to the login."""

    def initialize(self, monitor: Monitor, **context: Any) -> None:
        """Take the running monitor and Bokeh's own context."""
        super().initialize(**context)
        self.monitor = monitor

    async def prepare(self) -> None:
        """Let nobody choose the page's session: of a token that is none, Bokeh would make a 500."""
        await super().prepare()
        for name in ("bokeh-token", "bokeh-session-id"):
            self.request.arguments.pop(name, None)

    def set_default_headers(self) -> None:
        """Let the page run what is ours alone, and no browser show it after the session."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", PAGE_POLICY)

    def get_login_url(self) -> str:
        """Return the login's path, the same for pages at any depth."""
        return f"{self.application.prefix}/login"

    @authenticated
    async def head(self, *args: Any, **kwargs: Any) -> None:
        """Answer as to GET but for the length, without starting a page."""
        self.set_header("Content-Type", "text/html")
        await self.flush()  # else an empty page's length is told


class HostPageHandler(PageHandler):
    """A host's page; the page of a host that is not there is the overview, with a message."""

    async def prepare(self) -> None:
        """Go home where there is no such host; who has no session is told nothing of it."""
        await super().prepare()
        if self.current_user is not None and self.request.method in ("GET", "HEAD") and self._is_missing():
            self.redirect(f"{self.application.prefix}/?{urlencode({'missing': self.path_kwargs['name'][:63]})}")

    def _is_missing(self) -> bool:
        is_past = bool(self.get_query_argument("at", "")) or self.monitor.moment is not None
        return not is_past and self.monitor.board.find_named(self.path_kwargs["name"]) is None


class AssetHandler(StaticFileHandler):
    """Our own files; an address with a version never changes its content."""

    def get_cache_time(self, path: str, modified: object, mime_type: str) -> int:
        """Return how many seconds the file may be kept."""
        return ASSET_SECONDS if "v" in self.request.arguments else 0


def make_server(monitor: Monitor, cookie_secret: str, **server_options: Any) -> Server:
    """Make the server, not started yet; ``server_options`` go to Bokeh's server.

    Raises:
        SettingsError: the address cannot be listened on, or the certificate not used.
    """
    settings = monitor.settings
    check_certificate(settings)
    try:
        server = _get_server(monitor, cookie_secret, **server_options)
    except (OSError, UnicodeError) as error:  # the second for a name that cannot be one
        raise listen_error(settings, error) from error
    _add_routes(server, monitor)
    server._http.request_callback = _bounded(server, monitor)
    for listening in server._http._sockets.values():
        listening.listen(BACKLOG)
    loop: Any = server.io_loop
    loop.asyncio_loop.set_exception_handler(hear_failure)
    return server


def hear_failure(loop: AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what failed and was waited for by nobody; that a page left in mid-message is no failure."""
    if not isinstance(context.get("exception"), (WebSocketClosedError, StreamClosedError)):
        loop.default_exception_handler(context)


def listen_locally(server: Server) -> str:
    """Let programs on this machine reach a server with TLS, whose certificate names no local address."""
    sockets = bind_sockets(0, "127.0.0.1")
    local = HTTPServer(server._http.request_callback)
    local.add_sockets(sockets)
    return f"http://127.0.0.1:{sockets[0].getsockname()[1]}"


def check_certificate(settings: Settings) -> None:
    """Raise SettingsError when there is a certificate that cannot be used."""
    if not settings.tls_certificate:
        return
    try:
        for file in filter(None, (settings.tls_certificate, settings.tls_key)):
            Path(file).open("rb").close()  # says which file it is, as ssl does not
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    except OSError as error:
        raise SettingsError(
            f"Set PROXMON_TLS_CERTIFICATE and PROXMON_TLS_KEY to PEM files that belong together: {error}."
        ) from error


def listen_error(settings: Settings, error: OSError | UnicodeError) -> SettingsError:
    """Return one sentence for what the system said about the address."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return SettingsError(f"Port {settings.port} is in use: choose another with --port or PROXMON_PORT.")
    if number in (errno.EACCES, errno.EPERM):
        return SettingsError(f"Choose a port from 1024 up with --port: {settings.port} is not for every user.")
    return SettingsError(
        f"Set --address or PROXMON_ADDRESS to an address of this machine, not {settings.address!r}: {error}."
    )


def _get_server(monitor: Monitor, cookie_secret: str, **server_options: Any) -> Server:
    settings = monitor.settings
    return get_server(
        {page.path: page_function(page, monitor) for page in PAGES},
        port=settings.port,
        address=settings.address,
        title={page.path: page.title for page in PAGES},
        cookie_secret=cookie_secret,
        cookie_path=settings.root + "/",
        prefix=settings.root,
        auth_provider=SessionAuth(monitor),
        use_xheaders=settings.trust_proxy,
        # What a page's token carries can be read in the page: it must hold neither the cookie nor other headers.
        include_headers=["Host", "User-Agent"],
        include_cookies=[],
        compress_response=True,
        websocket_ping_interval=PING_SECONDS,
        http_server_kwargs={"idle_connection_timeout": IDLE_SECONDS, "body_timeout": BODY_SECONDS},
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
        **server_options,
    )


def _bounded(server: Server, monitor: Monitor) -> BoundedBodies:
    settings = monitor.settings
    ingest = f"{settings.root}/api/ingest"
    lane = Lane(monitor, ingest, HEADERS, IDLE_SECONDS, server._http.handle_stream)
    application = IngestLane(server._tornado, lane)
    return BoundedBodies(application, lambda path: settings.max_body_bytes if path == ingest else MAX_BYTES, HEADERS)


def _add_routes(server: Server, monitor: Monitor) -> None:
    """Put our routes before those that Bokeh made for the same pages."""
    application = server._tornado
    root = application.prefix
    add_headers(application)
    application.settings |= {"default_handler_class": MissingPageHandler, "default_handler_args": {"monitor": monitor}}
    application.add_handlers(
        r".*",
        [
            *list_routes(monitor, root),
            *list_login_routes(monitor),
            *list_link_routes(monitor),
            *list_download_routes(monitor),
            (rf"{root}/assets/(.*)", AssetHandler, {"path": str(assets_directory())}),
            *_page_routes(application._applications, root, monitor),
        ],
    )


def _page_routes(contexts: Mapping[str, Any], root: str, monitor: Monitor) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for route, context in contexts.items():
        path = root + route.rstrip("/")
        arguments = {"application_context": context, "bokeh_websocket_path": f"{path}/ws", "monitor": monitor}
        handler = HostPageHandler if "(?P<name>" in route else PageHandler
        yield f"{path}/ws", PageSocket, arguments
        yield f"{path}/?", handler, arguments
