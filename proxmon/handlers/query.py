"""``POST /api/query``: SQL for analysts, read-only, streamed as Arrow."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import cast

import msgspec
from tornado.iostream import StreamClosedError

from proxmon.errors import ProxmonError, SampleError, UnreadableError
from proxmon.handlers.base import ApiHandler
from proxmon.tokens import Role

log = logging.getLogger(__name__)

ARROW_STREAM = "application/vnd.apache.arrow.stream"
# DuckDB finds a type for each parameter before a query can be ended: it takes seconds where they are nested deeply, and
# all memory where many objects have different keys.
MOST_LEVELS = 2


class QueryRequest(msgspec.Struct, frozen=True):
    """The body: a statement, and the values of its ``?`` or ``$name``."""

    sql: str
    parameters: list[object] | dict[str, object] | None = None


class QueryHandler(ApiHandler):
    """Answers a query with the bytes of an Arrow IPC stream as they are made."""

    _answering: asyncio.Task[object] | None = None

    async def prepare(self) -> None:
        """Let readers and administrators pass."""
        await self.authorize(Role.READER)

    async def post(self) -> None:
        """Stream the answer; an error before its first byte is answered in words."""
        request = read_request(self.request.body)
        self._answering = asyncio.current_task()
        try:
            async with aclosing(self.monitor.queries.stream(request.sql, request.parameters)) as chunks:
                async for chunk in chunks:
                    await self._send(chunk)
        except (StreamClosedError, asyncio.CancelledError):
            return
        except (ProxmonError, TimeoutError) as error:
            if not self._headers_written:
                raise
            self._break_off(error)
        finally:
            self._answering = None

    async def _send(self, chunk: bytes) -> None:
        self.set_header("Content-Type", ARROW_STREAM)
        self.write(chunk)
        # Who reads nothing keeps a moment of the store and one of the few places.
        await asyncio.wait_for(self.flush(), self.monitor.settings.query_seconds)

    def _break_off(self, error: Exception) -> None:
        """Close the connection before the answer's end: ended in order, it would look like a whole one."""
        log.warning("an answer to a query was broken off: %s", type(error).__name__)  # its text can quote the query
        self._answering = None
        self.request.connection.stream.close()  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess] - of HTTP1Connection

    def on_connection_close(self) -> None:
        """End a query whose asker has gone."""
        if self._answering is not None:
            self._answering.cancel()


def read_request(body: bytes) -> QueryRequest:
    """Return the query of a body. Raises UnreadableError or SampleError."""
    try:
        request = msgspec.json.decode(body, type=QueryRequest)
    except msgspec.ValidationError as error:
        raise SampleError(f'Send an object such as {{"sql": "SELECT 1"}}: {error}.') from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnreadableError('Send a JSON object such as {"sql": "SELECT 1"}.') from error
    given = request.parameters or []
    if not all(_is_plain(value) for value in (given.values() if isinstance(given, dict) else given)):
        raise SampleError("Send each parameter as a value, a list of values, or a list of such lists.")
    return request


def _is_plain(value: object, levels: int = MOST_LEVELS) -> bool:
    if isinstance(value, list):
        return levels > 0 and all(_is_plain(one, levels - 1) for one in cast("list[object]", value))
    return not isinstance(value, dict)
