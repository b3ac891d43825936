"""Tokens for the JSON API, the metrics and notebooks, each with a name and a role."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from proxmon.auth import IssuedToken, TokenVault, issue_token
from proxmon.credentials import ApiToken, TokenSecret
from proxmon.errors import ConflictError, SampleError, TokenError
from proxmon.hosts import check_name


class Role(StrEnum):
    """What an API token allows: a reader sees, an admin also changes."""

    READER = "reader"
    ADMIN = "admin"


class TokenStore(Protocol):
    """What the registry asks of the store."""

    def add_api_token(self, name: str, role: str, secret: TokenSecret, at: datetime) -> None:
        """Store a new token."""

    def list_api_tokens(self) -> list[ApiToken]:
        """List all tokens that were not revoked."""
        ...

    def revoke_api_token(self, name: str, at: datetime) -> None:
        """Delete a token."""


class TokenRegistry:
    """Administers the API tokens."""

    def __init__(self, store: TokenStore, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock
        self._tokens = {row.name: row for row in store.list_api_tokens()}
        self._vault = TokenVault((row.name, row.secret) for row in self._tokens.values())
        self._local_digest = b""

    async def add(self, name: str, role: str) -> IssuedToken:
        """Add a token and return it. Raises SampleError on a bad name or role, ConflictError on a taken name."""
        check_name(name)
        if role not in tuple(Role):
            raise SampleError("Choose the role reader or admin.")
        if name in self._tokens:
            raise ConflictError(f"Choose another name: there is a token {name} already.")
        issued, secret = await asyncio.to_thread(issue_token, name)
        created_at = self._clock()
        await asyncio.to_thread(self._store.add_api_token, name, role, secret, created_at)
        self._tokens[name] = ApiToken(name, role, secret, created_at)
        self._vault.put(name, secret)
        return issued

    def trust(self, token: str) -> None:
        """Take this token for an administrator's as long as the process lives; it is stored nowhere."""
        self._local_digest = hashlib.sha256(token.encode()).digest()

    def list_tokens(self) -> list[ApiToken]:
        """List the tokens by name."""
        return sorted(self._tokens.values(), key=lambda token: token.name)

    async def revoke(self, name: str) -> None:
        """Refuse the token from now on. Raises NotFoundError."""
        self._vault.remove(name)
        await asyncio.to_thread(self._store.revoke_api_token, name, self._clock())
        self._tokens.pop(name, None)

    async def authenticate(self, token: str) -> Role:
        """Return the role of a token. Raises TokenError."""
        if hmac.compare_digest(hashlib.sha256(token.encode(errors="replace")).digest(), self._local_digest):
            return Role.ADMIN
        known = self._vault.find_verified(token)
        name = known if known is not None else await asyncio.to_thread(self._vault.verify, token)
        held = self._tokens.get(name)
        if held is None:
            raise TokenError("Send a valid token: this one was revoked.")
        return Role(held.role)
