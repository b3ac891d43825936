"""Who is logged in: sessions that the server knows and can end, so that a cookie alone is worth nothing.

A browser holds a random id; the store keeps its digest until the session ends, so that logging out holds after a
restart too. A new password ends all sessions, since it changes the key that signs the cookies.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from proxmon.errors import StoreUnavailableError

log = logging.getLogger(__name__)


class SessionStore(Protocol):
    """What the sessions ask of the store."""

    def add_session(self, key: str, expires_at: datetime) -> None:
        """Store a new session."""

    def delete_session(self, key: str) -> None:
        """Delete a session; nothing happens when there is none."""

    def list_sessions(self) -> dict[str, datetime]:
        """Return when each session expires."""
        ...


class Sessions:
    """The open sessions. A session's key is the digest of the id in its cookie."""

    def __init__(self, store: SessionStore, clock: Callable[[], datetime], days: float) -> None:
        self._store, self._clock, self._lasts = store, clock, timedelta(days=days)
        self._expiry = store.list_sessions()
        self._watchers: dict[str, list[Callable[[], None]]] = {}

    async def start(self) -> str:
        """Start a session and return its id for the cookie."""
        session_id = secrets.token_urlsafe(32)
        key, expires_at = session_key(session_id), self._clock() + self._lasts
        self._expiry[key] = expires_at
        try:
            await asyncio.to_thread(self._store.add_session, key, expires_at)
        except StoreUnavailableError as error:
            # With a full disk the owner must get in all the more; a restart then ends the session.
            log.warning("A login was not stored: %s", error)
        return session_id

    def find(self, session_id: str) -> str | None:
        """Return the key of an open session, or None."""
        key = session_key(session_id)
        expires_at = self._expiry.get(key)
        return key if expires_at is not None and self._clock() < expires_at else None

    def is_open(self, key: str) -> bool:
        """Tell whether the session has neither ended nor expired."""
        return key in self._expiry

    async def end(self, key: str) -> None:
        """End a session at once, with what it has open. Raises StoreUnavailableError when that may not last."""
        self._close(key)
        await asyncio.to_thread(self._store.delete_session, key)

    def watch(self, key: str, ended: Callable[[], None]) -> Callable[[], None]:
        """Call ``ended`` once when the session ends; returns what stops the watching."""
        watchers = self._watchers.setdefault(key, [])
        watchers.append(ended)
        if not self.is_open(key):
            self._close(key)

        def stop() -> None:
            if ended in watchers:
                watchers.remove(ended)
            if not watchers and self._watchers.get(key) is watchers:
                del self._watchers[key]

        return stop

    async def expire(self) -> None:
        """End the sessions whose time is over."""
        now = self._clock()
        for key in [key for key, expires_at in self._expiry.items() if expires_at <= now]:
            self._close(key)
            with suppress(StoreUnavailableError):  # it has expired all the same
                await asyncio.to_thread(self._store.delete_session, key)

    def _close(self, key: str) -> None:
        self._expiry.pop(key, None)
        for ended in self._watchers.pop(key, ()):
            try:
                ended()
            except Exception:  # one broken connection must not keep the others open
                log.exception("A session's page could not be closed")


def session_key(session_id: str) -> str:
    """Return what is stored of a session's id, which cannot be turned into a cookie."""
    return hashlib.sha256(session_id.encode(errors="replace")).hexdigest()
