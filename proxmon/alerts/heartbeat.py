"""The heartbeat: tells a watcher elsewhere once a minute that this server is well; a dead one cannot say so."""

from __future__ import annotations

import asyncio
import logging
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from proxmon.alerts.threads import Errand
from proxmon.errors import StoreUnavailableError

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)
TIMEOUT_SECONDS = 10.0


class Heartbeat:
    """Requests an address as long as ``check`` finds that samples can be stored. It belongs to the event loop's thread.

    Whoever judges calls ``tick`` afterwards: no judging, no heartbeat. Without an address nothing happens.
    """

    def __init__(self, url: str, check: Callable[[], None], clock: Callable[[], datetime]) -> None:
        self._url, self._check, self._clock = url, check, clock
        self._errand = Errand("heartbeat")
        self._next_at: datetime | None = None
        self._beating: asyncio.Task[None] | None = None
        self._is_failing = False

    def tick(self) -> None:
        """Beat when it is time."""
        now = self._clock()
        if not self._url or self._errand.is_running or (self._next_at is not None and now < self._next_at):
            return
        self._next_at = now + EVERY
        self._beating = asyncio.get_running_loop().create_task(self._beat())

    async def settled(self) -> None:
        """Wait until the beat that runs has ended."""
        if self._beating is not None:
            await self._beating

    async def _beat(self) -> None:
        try:
            await self._errand.run(self._request, 2 * TIMEOUT_SECONDS)
        except (OSError, ValueError, StoreUnavailableError) as error:
            if not self._is_failing:
                log.warning("No heartbeat to %s: %s", urlsplit(self._url).hostname, _words(error))
            self._is_failing = True
        else:
            self._is_failing = False

    def _request(self) -> None:
        self._check()
        try:
            urllib.request.urlopen(self._url, timeout=TIMEOUT_SECONDS).close()  # noqa: S310 - the settings check its scheme
        except urllib.error.HTTPError as error:
            error.close()
            raise


def _words(error: Exception) -> str:
    """Return a reason that does not hold the address."""
    if isinstance(error, StoreUnavailableError):
        return str(error)
    return f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
