"""Has a running server answer the statements of clients that speak another protocol, each with its own token."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from typing import Any

from proxmon.client.server import ServerSource
from proxmon.client.sources import Batches
from proxmon.errors import OverloadedError, ProxmonError, TokenError

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 20.0  # while as many queries run as may


class Bridge:
    """Knows the server's address and nothing else; its methods block and may be called from any thread."""

    def __init__(self, url: str) -> None:
        self._url = url

    def admits(self, token: str) -> bool:
        """Tell whether this is a reader's token: no other may enter, also an administrator's."""
        try:
            return ServerSource(self._url, token).is_reader()
        except TokenError:
            return False
        except ProxmonError as error:
            log.warning("nobody can attach: %s", error)
            return False

    def read(self, token: str, sql: str) -> Generator[Any]:
        """Give the batches of the answer to one statement; waits for a while when as many run as may.

        Raises:
            ProxmonError: the server refuses it, or does not answer.
        """
        batches, first = self._begin(token, sql, time.monotonic() + PATIENCE_SECONDS)
        try:
            yield first
            yield from batches
        finally:
            batches.close()

    def _begin(self, token: str, sql: str, give_up_at: float) -> tuple[Batches, Any]:
        while True:
            batches = ServerSource(self._url, token).read(sql, None)
            try:
                return batches, next(batches)
            except OverloadedError as error:
                if time.monotonic() + error.retry_after_seconds > give_up_at:
                    raise
                time.sleep(error.retry_after_seconds)
