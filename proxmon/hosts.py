"""The hosts of the fleet: add, rotate, delete, and find the host that a token belongs to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from proxmon.auth import IssuedToken, TokenVault, issue_token
from proxmon.board import Board, JudgedHost
from proxmon.credentials import HostSecret, TokenSecret
from proxmon.errors import ConflictError, NotFoundError, SampleError, TokenError
from proxmon.events import Event, EventKind
from proxmon.fleet import Host, HostSnapshot

NAME_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,63}", re.ASCII)


class HostStore(Protocol):
    """What the registry asks of the store."""

    def add_host(self, name: str, secret: TokenSecret, at: datetime) -> Host:
        """Store a new host with its own id."""
        ...

    def rotate_host(self, host_id: int, secret: TokenSecret, at: datetime) -> None:
        """Replace the secret of a host."""

    def delete_host(self, host_id: int, at: datetime, *, keep_history: bool) -> None:
        """Delete a host, with or without its samples."""

    def record_goodbye(self, host_id: int, at: datetime, reason: str | None) -> None:
        """Note that the agent of a host was stopped."""

    def list_host_secrets(self) -> list[HostSecret]:
        """List the secrets of all hosts."""
        ...


class HostRegistry:
    """Administers the hosts. Every change is stored first, then seen on the board and the bus."""

    def __init__(
        self,
        store: HostStore,
        board: Board,
        clock: Callable[[], datetime],
        tell: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._store, self._board, self._clock, self._tell = store, board, clock, tell
        self._vault = TokenVault((row.host_id, row.secret) for row in store.list_host_secrets())

    async def add(self, name: str) -> IssuedToken:
        """Add a host and return its token.

        Raises:
            SampleError: the name is no host name.
            ConflictError: the name is taken.
        """
        check_name(name)
        if self._board.find_named(name) is not None:
            raise ConflictError(f"Choose another name: there is a host {name} already.")
        issued, secret = await asyncio.to_thread(issue_token, name)
        host = await asyncio.to_thread(self._store.add_host, name, secret, self._clock())
        self._vault.put(host.id, secret)
        self._tell(Event(host.id, host.created_at, EventKind.ADDED, host=name))
        self._board.put(HostSnapshot(host), host.created_at)
        return issued

    async def rotate(self, name: str) -> IssuedToken:
        """Replace a host's token; the host is offline until its agent uses the new one. Raises NotFoundError."""
        host_id = self._get(name).id
        issued, secret = await asyncio.to_thread(issue_token, name)
        self._vault.remove(host_id)
        rotated_at = self._clock()
        await asyncio.to_thread(self._store.rotate_host, host_id, secret, rotated_at)
        self._vault.put(host_id, secret)
        self._tell(Event(host_id, rotated_at, EventKind.ROTATED, host=name))
        self._board.put(replace(self._get(name).snapshot, rotated_at=rotated_at), rotated_at)
        return issued

    async def delete(self, name: str, *, keep_history: bool) -> None:
        """Delete a host, with its samples unless ``keep_history``. Raises NotFoundError."""
        host_id = self._get(name).id
        self._vault.remove(host_id)
        deleted_at = self._clock()
        await asyncio.to_thread(self._store.delete_host, host_id, deleted_at, keep_history=keep_history)
        if keep_history:
            self._tell(Event(host_id, deleted_at, EventKind.DELETED, host=name))
        self._board.remove(host_id)

    def find_authenticated(self, token: str) -> int | None:
        """Return the id of the host that a token belongs to, if it was authenticated before."""
        return self._vault.find_verified(token)

    async def authenticate(self, token: str) -> int:
        """Return the id of the host that the token belongs to. Raises TokenError."""
        known = self.find_authenticated(token)
        if known is not None:
            return known
        if not self._vault.is_candidate(token):
            return self._vault.verify(token)
        return await asyncio.to_thread(self._vault.verify, token)

    def check(self, host_id: int, token: str) -> None:
        """Raise TokenError when the token was replaced, or its host deleted, since it was authenticated.

        It may be called from any thread.
        """
        if not self._vault.is_held(host_id, token):
            raise TokenError("Send a valid token: this one was rotated, or its host was deleted.")

    async def goodbye(self, host_id: int, reason: str | None) -> None:
        """Note that the host's agent was stopped: the host is offline at once."""
        left_at = self._clock()
        await asyncio.to_thread(self._store.record_goodbye, host_id, left_at, reason)
        judged = self._board.find(host_id)
        if judged is not None:
            self._tell(Event(host_id, left_at, EventKind.GOODBYE, message=reason or "", host=judged.name))
            self._board.put(replace(judged.snapshot, left_at=left_at, left_reason=reason), left_at)

    def _get(self, name: str) -> JudgedHost:
        judged = self._board.find_named(name)
        if judged is None:
            raise NotFoundError(f"Choose one of the hosts there are: {name[:64]} is none.")
        return judged


def check_name(name: str) -> None:
    """Raise SampleError unless the text can be a host's name."""
    if not NAME_PATTERN.fullmatch(name) or name in (".", ".."):
        raise SampleError("Choose a name of 1 to 63 letters, digits, dots, dashes or underscores.")
