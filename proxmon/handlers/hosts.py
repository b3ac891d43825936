"""The JSON API for people's programs: hosts, guests and their administration."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from proxmon.answers import guest_answer, host_answer, iso, issued_answer, token_answer
from proxmon.board import PastBoard
from proxmon.errors import NotFoundError, SampleError, UnreadableError
from proxmon.guests import search_guests
from proxmon.handlers.base import ApiHandler
from proxmon.samples import check_over, parse_time
from proxmon.tokens import Role


class ReaderHandler(ApiHandler):
    """A route that shows the fleet, now or at a past moment (``?at=``)."""

    async def prepare(self) -> None:
        """Let readers and administrators pass."""
        await self.authorize(Role.READER)

    async def board(self) -> tuple[PastBoard, datetime]:
        """Return the judged fleet that was asked for, and its moment.

        The live one is judged anew, since a verdict's words tell spans of time; 0.2 ms a host, beside the loop.
        """
        text, as_collected = self.get_query_argument("at", ""), read_as(self.get_query_argument("as", "known"))
        if not text and self.monitor.moment is None:
            now = self.monitor.clock()
            snapshot = self.monitor.board.fleet.snapshot(now)
            return await asyncio.to_thread(PastBoard, snapshot, self.monitor.board.rules), now
        at = read_past(text, self.monitor.clock()) if text else self.monitor.moment
        assert at is not None
        past = await self.monitor.past(at, as_collected=as_collected)
        return past, past.at


class HostsHandler(ReaderHandler):
    """``/api/hosts``: all hosts; POST adds one."""

    async def prepare(self) -> None:
        """Let administrators add hosts and readers see them."""
        await self.authorize(Role.ADMIN if self.request.method == "POST" else Role.READER)

    async def get(self) -> None:
        """Answer all hosts by name."""
        board, now = await self.board()
        self.answer({"at": iso(now), "hosts": [host_answer(judged, now) for judged in board.list_hosts()]})

    async def post(self) -> None:
        """Add a host and answer its token, this once."""
        issued = await self.monitor.hosts.add(read_name(self.request.body))
        self.answer(issued_answer(issued), status=201)


class HostHandler(ReaderHandler):
    """``/api/hosts/NAME``: one host; DELETE removes it."""

    async def prepare(self) -> None:
        """Let administrators delete hosts and readers see them."""
        await self.authorize(Role.ADMIN if self.request.method == "DELETE" else Role.READER)

    async def get(self, name: str) -> None:
        """Answer the host."""
        board, now = await self.board()
        judged = board.find_named(name)
        if judged is None:
            raise NotFoundError("Choose one of the hosts that GET /api/hosts lists: this is none.")
        self.answer(host_answer(judged, now))

    async def delete(self, name: str) -> None:
        """Delete the host, with its history unless ``?keep_history=true``."""
        keep = self.get_query_argument("keep_history", "false").lower() in ("1", "true", "yes")
        await self.monitor.hosts.delete(name, keep_history=keep)
        self.set_status(204)
        self.finish()


class RotateHandler(ApiHandler):
    """``POST /api/hosts/NAME/rotate``: a new token for a host."""

    async def prepare(self) -> None:
        """Let administrators pass."""
        await self.authorize(Role.ADMIN)

    async def post(self, name: str) -> None:
        """Answer the new token, this once."""
        issued = await self.monitor.hosts.rotate(name)
        self.answer(issued_answer(issued))


class GuestsHandler(ReaderHandler):
    """``GET /api/guests?q=``: the search over all guests."""

    async def get(self) -> None:
        """Answer the guests that match, by name."""
        board, now = await self.board()
        found = search_guests(board.list_hosts(), self.get_query_argument("q", ""))
        self.answer({"at": iso(now), "guests": [guest_answer(guest) for guest in found]})


class TokensHandler(ApiHandler):
    """``/api/tokens``: the API's own tokens, for administrators."""

    async def prepare(self) -> None:
        """Let administrators pass."""
        await self.authorize(Role.ADMIN)

    async def get(self) -> None:
        """Answer names and roles; the tokens themselves are not known any more."""
        self.answer({"tokens": [token_answer(token) for token in self.monitor.tokens.list_tokens()]})

    async def post(self) -> None:
        """Add a token and answer it, this once."""
        body = read_object(self.request.body)
        issued = await self.monitor.tokens.add(str(body.get("name", "")), str(body.get("role", Role.READER)))
        self.answer(issued_answer(issued), status=201)


class TokenHandler(ApiHandler):
    """``DELETE /api/tokens/NAME``: revoke a token."""

    async def prepare(self) -> None:
        """Let administrators pass."""
        await self.authorize(Role.ADMIN)

    async def delete(self, name: str) -> None:
        """Refuse the token from now on."""
        await self.monitor.tokens.revoke(name)
        self.set_status(204)
        self.finish()


def read_moment(text: str, name: str = "at") -> datetime:
    """Return the moment of an argument such as ``?at=``; raises SampleError."""
    try:
        return parse_time(text.replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise SampleError(f"Send {name} as an ISO 8601 time, such as 2026-11-20T03:12Z.") from error


def read_past(text: str, now: datetime) -> datetime:
    """Return the moment of ``?at=``, which is over; raises SampleError."""
    return check_over(read_moment(text), now)


def read_as(text: str) -> bool:
    """Tell whether ``?as=`` asks for the past as it was collected, and not as it was known then; raises SampleError."""
    if text not in ("known", "collected"):
        raise SampleError("Send as=known for what was known then, or as=collected for what was so by what came later.")
    return text == "collected"


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body. Raises UnreadableError, or SampleError when it is no object."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise SampleError('Send a JSON object such as {"name": "pve-01"}.') from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnreadableError('Send a JSON object such as {"name": "pve-01"}.') from error


def read_name(body: bytes) -> str:
    """Return the ``name`` of a body's JSON object. Raises UnreadableError or SampleError."""
    name = read_object(body).get("name")
    if not isinstance(name, str):
        raise SampleError('Send the name as a string, such as {"name": "pve-01"}.')
    return name
