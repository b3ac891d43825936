"""Brings spooled samples to the server: the newest first, then the backlog in order, each until it is accepted."""

from __future__ import annotations

import calendar
import json
import random
import time
from typing import Any, Callable, NamedTuple, cast

from .log import log
from .message import Envelope, iso_utc
from .spool import Entry, Spool
from .transport import Response, Transport, TransportError

MAX_BATCH_SAMPLES = 100
MAX_BATCH_BYTES = 1 << 20  # unpacked; the server takes 8 MiB, the agent's memory less
REQUEST_SECONDS = 20.0
GOODBYE_SECONDS = 2.0
BACKOFF_BASE_SECONDS = 1.0
BACKOFF_CAP_SECONDS = 30.0  # a server that returns sees every host again within half a minute
REFUSED_SECONDS = 300.0
MAX_RETRY_AFTER_SECONDS = 3600.0


class Accepted(NamedTuple):
    """What the server said of an accepted message."""

    stored: int
    duplicates: int


class Delivery:
    """Sends what the spool holds; one call of `step` sends at most one message. For use by one thread."""

    def __init__(
        self,
        spool: Spool,
        transport: Transport,
        token: str,
        envelope: Envelope,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        jitter: Callable[[float, float], float] = random.uniform,
        on_state: Callable[[dict[str, Any]], None] = lambda state: None,
    ) -> None:
        self._spool = spool
        self._transport = transport
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        }
        self._envelope = envelope
        self._monotonic = monotonic
        self._wall_clock = wall_clock
        self._jitter = jitter
        self._on_state = on_state
        self._batch_limit = MAX_BATCH_SAMPLES
        self._newest_sent = 0
        self._failures = 0
        self._next_at = 0.0
        self._trouble: str | None = None
        self._connected = False

    @property
    def is_away(self) -> bool:
        """Say whether the last message did not reach the server."""
        return self._trouble is not None

    @property
    def trouble(self) -> str | None:
        """Say why the last message was not accepted, None when it was."""
        return self._trouble

    def step(self) -> float | None:
        """Send one message if something waits and the time has come.

        Returns:
            Seconds until the next step makes sense, 0 when more waits, None when nothing does.

        """
        if not len(self._spool):
            return None
        pause = self._next_at - self._monotonic()
        if pause > 0:
            return pause
        self.send_batch()
        if not len(self._spool):
            return None
        return max(0.0, self._next_at - self._monotonic())

    def send_batch(self) -> Accepted | None:
        """Send the next message now; None when it was not accepted, and `trouble` then says why."""
        entries, body = self._next_message()
        if not entries:
            return None
        try:
            response = self._transport.request("POST", "/api/ingest", self._headers, body, REQUEST_SECONDS)
        except TransportError as error:
            self._retry(str(error))
            return None
        return self._judge(response, entries)

    def check(self) -> str | None:
        """Try the token with a message without samples; return what is wrong, None when the server takes it."""
        body = self._envelope.pack((), iso_utc(self._wall_clock()))
        try:
            response = self._transport.request("POST", "/api/ingest", self._headers, body, REQUEST_SECONDS)
        except TransportError as error:
            return f"the server cannot be reached: {error}"
        if (response.status == 200 and _accepted(response)) or response.status in (429, 503):
            return None
        if response.status in (401, 403):
            return "the server refuses this host's token: it is another host's, was rotated, or was not copied whole"
        return f"there is no proxmon server at this address: it answers {response.status}"

    def say_goodbye(self, transport: Transport, reason: str | None = None) -> bool:
        """Tell the server that this host goes offline on purpose; False when it could not be told in time.

        It goes over a transport of its own: the other one may still be in use by a message that hangs.
        """
        body = json.dumps({"reason": reason} if reason else {}).encode()
        headers = {"Authorization": self._headers["Authorization"], "Content-Type": "application/json"}
        try:
            response = transport.request("POST", "/api/goodbye", headers, body, GOODBYE_SECONDS)
            transport.close()
        except TransportError as error:
            log.info("the server could not be told goodbye: %s", error)
            return False
        return response.status in (200, 204)

    def close(self) -> None:
        """Drop the connection."""
        self._transport.close()

    def _next_message(self) -> tuple[list[Entry], bytes]:
        chosen: list[Entry] = []
        texts: list[bytes] = []
        size = 0
        for entry in self._choose():
            text = self._spool.read(entry)
            if text is None:
                continue
            size += len(text)
            if texts and size > MAX_BATCH_BYTES:
                break
            chosen.append(entry)
            texts.append(text)
        return chosen, self._envelope.pack(texts, iso_utc(self._wall_clock())) if texts else b""

    def _choose(self) -> list[Entry]:
        """Choose everything when it fits one message, else new arrivals first: a backlog delays no live data."""
        waiting = self._spool.entries()
        if len(waiting) <= self._batch_limit:
            return waiting
        newest = {entry.tier: entry for entry in waiting if entry.number > self._newest_sent}
        live = sorted(newest.values(), key=lambda entry: entry.number)
        return (live or waiting)[: self._batch_limit]

    def _judge(self, response: Response, entries: list[Entry]) -> Accepted | None:
        status = response.status
        accepted = _accepted(response) if status == 200 else None
        if accepted is not None:
            self._accept(entries)
            return accepted
        error = _error_text(response)
        if status in (413, 422) or (status == 400 and error):
            self._narrow(entries, f"{status}: {error or 'no reason given'}")
        elif status in (401, 403):
            self._refused()
        elif status in (429, 503):
            self._retry(f"the server is busy ({status})", _retry_after(response, self._wall_clock()))
        elif 300 <= status < 400:
            target = response.headers.get("location", "elsewhere")[:200]
            self._retry(
                f"it redirects to {target}; redirects are not followed, set the server's address to where it is"
            )
        else:
            self._retry(f"unexpected answer {status}: {error or 'not from a proxmon server'}")
        return None

    def _accept(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._spool.remove(entry)
        self._newest_sent = max(self._newest_sent, entries[-1].number)
        self._batch_limit = min(MAX_BATCH_SAMPLES, self._batch_limit * 2)
        self._failures, self._next_at = 0, 0.0
        if self._trouble is not None or not self._connected:
            log.info("the server accepts samples; %s more wait", len(self._spool))
            self._connected, self._trouble = True, None
            self._on_state({"accepted_at": iso_utc(self._wall_clock())})

    def _narrow(self, entries: list[Entry], reason: str) -> None:
        """Halve the message until the sample that the server does not take stands alone, and drop that one."""
        if len(entries) > 1:
            self._batch_limit = len(entries) // 2
            return
        entry = entries[0]
        self._spool.remove(entry, dropped=True)
        self._newest_sent = max(self._newest_sent, entry.number)
        self._trouble = f"it refused a {entry.tier} sample, {reason}"
        log.error("a %s sample is dropped, the server does not take it: %s", entry.tier, reason)

    def _refused(self) -> None:
        self._pause(REFUSED_SECONDS * self._jitter(0.8, 1.2))
        self._tell(
            "the server refuses this host's token. It was rotated or the host was deleted: make a new token on the "
            "server (page /admin/hosts, or `proxmon hosts rotate NAME`), put it into the agent's config and restart it"
        )

    def _retry(self, reason: str, after_seconds: float | None = None) -> None:
        self._failures += 1
        if after_seconds is not None:
            self._pause(after_seconds + self._jitter(0.0, min(after_seconds, BACKOFF_CAP_SECONDS)))
        else:
            ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(self._failures, 10))
            self._pause(self._jitter(0.1, ceiling))
        self._tell(reason)

    def _pause(self, seconds: float) -> None:
        self._next_at = self._monotonic() + seconds

    def _tell(self, trouble: str) -> None:
        """Log a trouble when it begins or changes, not at each attempt."""
        if trouble != self._trouble:
            log.warning("samples are not delivered and wait: %s", trouble)
            self._on_state({"trouble": trouble})
        self._trouble = trouble


def _json_object(response: Response) -> dict[str, Any]:
    try:
        value = json.loads(response.body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _accepted(response: Response) -> Accepted | None:
    """Read a 200; None when it is not what an ingest answers, as from a proxy's page."""
    answer = _json_object(response)
    stored, duplicates = answer.get("stored"), answer.get("duplicates", 0)
    if isinstance(stored, int) and isinstance(duplicates, int):
        return Accepted(stored, duplicates)
    return None


def _error_text(response: Response) -> str:
    error = _json_object(response).get("error")
    return "".join(char for char in error if char.isprintable())[:300] if isinstance(error, str) else ""


def _retry_after(response: Response, now: float) -> float | None:
    """Read Retry-After, seconds or a date; None when it is missing or nonsense."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdigit():
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    try:
        at = calendar.timegm(time.strptime(value, "%a, %d %b %Y %H:%M:%S GMT"))
    except ValueError:
        return None
    return min(max(0.0, at - now), MAX_RETRY_AFTER_SECONDS)
