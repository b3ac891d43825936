"""What is kept of a secret: enough to recognise it, nothing to use it with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TokenSecret:
    """A token as it is stored: ``lookup`` is a short digest that finds the row, ``hash`` the bcrypt hash."""

    lookup: str
    hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostSecret:
    """The token of one host."""

    host_id: int
    secret: TokenSecret


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token of the JSON API; ``role`` is ``reader`` or ``admin``."""

    name: str
    role: str
    secret: TokenSecret
    created_at: datetime
