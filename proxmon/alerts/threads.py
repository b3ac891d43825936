"""Calls that may hang for ever, in threads that nobody waits for when the server ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress


class Errand:
    """One call at a time, off the event loop; a call that hangs keeps the next one from starting."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ended = threading.Event()
        self._ended.set()

    @property
    def is_running(self) -> bool:
        """Tell whether the last call has not ended, whether or not anybody waits for it."""
        return not self._ended.is_set()

    async def run(self, call: Callable[[], None], seconds: float) -> None:
        """Call, and raise what it raises. Raises TimeoutError when it takes longer; it then goes on unheard."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._ended.clear()

        def run() -> None:
            error: BaseException | None = None
            try:
                call()
            except BaseException as caught:
                error = caught
            self._ended.set()
            with suppress(RuntimeError):  # the loop may be over
                loop.call_soon_threadsafe(_finish, done, error)

        threading.Thread(target=run, daemon=True, name=self._name).start()
        await asyncio.wait_for(done, seconds)


def _finish(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
