"""Times as DuckDB keeps them: UTC without a zone."""

from __future__ import annotations

from datetime import UTC, datetime


def to_store(at: datetime) -> datetime:
    """Return an aware moment as the store keeps it."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).replace(tzinfo=None)


def from_store(at: datetime) -> datetime:
    """Return a stored moment as an aware one."""
    return at.replace(tzinfo=UTC)
