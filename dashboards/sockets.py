"""A page's websocket: refused without a session, closed with it, and quiet about what a browser sends on it."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bokeh.protocol.exceptions import ProtocolError
from bokeh.util.token import get_session_id
from panel.io.server import WSHandler
from tornado.websocket import WebSocketClosedError

from proxmon.context import Monitor
from proxmon.handlers.crosssite import explain_foreign, is_own_origin

log = logging.getLogger(__name__)

SIGNED_OUT_CODE = 4401
UNREADABLE_CODE, FAILED_CODE = 1002, 1011  # of RFC 6455; Bokeh's own are none that a browser takes
# What Bokeh raises of a token that is none of ours or too old.
_NO_TOKEN = (ProtocolError, ValueError, TypeError, LookupError, AttributeError, zlib.error)


class PageSocket(WSHandler):
    """A page's websocket: refused without a session, and when another site's page opens it."""

    def initialize(  # pyright: ignore[reportIncompatibleMethodOverride] - Tornado passes all by name
        self, monitor: Monitor, **context: Any
    ) -> None:
        """Take the running monitor and Bokeh's own context."""
        super().initialize(**context)
        self.monitor = monitor
        self._stop_watching: Callable[[], None] | None = None
        self._was_left_early = False

    def check_origin(self, origin: str) -> bool:
        """Accept the page's own host, and those that PROXMON_ORIGINS names."""
        if is_own_origin(origin, self.request.host, self.monitor.settings.allowed_origins):
            return True
        log.warning("Refused a page's websocket. %s", explain_foreign(origin, self.request.host))
        return False

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Start the page, for as long as its session is open."""
        try:
            get_session_id(self._token or "")
            opened = super().open(*args, **kwargs)
        except _NO_TOKEN as error:
            log.warning("Refused a page's websocket: its token cannot be used (%s).", type(error).__name__)
            self.close(UNREADABLE_CODE)
            return None
        self._stop_watching = self.monitor.sessions.watch(str(self.current_user), self._sign_out)
        return opened

    async def _async_open(self, token: str) -> None:
        # Bokeh makes the connection in the background. Of one that was closed before, nothing would let go.
        await super()._async_open(token)
        if self._was_left_early:
            super().on_close()

    async def on_message(self, fragment: str | bytes) -> None:
        """Take a message, unless the session ended before it."""
        if self.monitor.sessions.is_open(str(self.current_user)):
            await super().on_message(fragment)

    async def write_message(self, message: Any, binary: bool = False, locked: bool = True) -> None:
        """Send a message, and count its bytes; a page that was just closed misses nothing."""
        self.monitor.costs.page_bytes += len(message)
        with suppress(WebSocketClosedError):
            await super().write_message(message, binary, locked)

    def on_close(self) -> None:
        """Let go of the session."""
        self._was_left_early = self.connection is None
        super().on_close()
        if self._stop_watching is not None:
            self._stop_watching()

    def _sign_out(self) -> None:
        self.close(SIGNED_OUT_CODE, "signed out")

    # Below, Bokeh would log what a browser sent, in which a password or an address may be, and answer a trace.

    async def _receive(self, fragment: str | bytes) -> Any:
        try:
            return await super()._receive(fragment)
        except Exception as error:  # there is no end of what can be sent
            self._protocol_error(type(error).__name__)
            return None

    async def _handle(self, message: Any) -> Any:
        handlers: dict[str, Any] = getattr(self.handler, "_handlers", {})
        if message.msgtype not in handlers:
            self._protocol_error(message.msgtype)
            return None
        try:
            return await handlers[message.msgtype](message, self.connection)
        except Exception:  # as of a page's callback: the page goes on
            log.exception("a page's %s failed", message.msgtype)
        assert self.connection is not None
        # Outside of the handler, in which Bokeh would add the trace.
        return self.connection.error(message, "Look at the server's log: it could not do this.")

    def _protocol_error(self, message: str) -> None:
        log.warning("Closed a page's websocket, which sent what is no message of a page.")
        self.close(UNREADABLE_CODE)

    def _internal_error(self, message: str) -> None:
        log.error("Closed a page's websocket, whose message could not be answered.")
        self.close(FAILED_CODE)
