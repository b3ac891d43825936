"""Errors of the store that say more than that it is unavailable."""

from proxmon.errors import StoreUnavailableError


class StoreLockedError(StoreUnavailableError):
    """Another process, or another store of this process, holds the data directory."""


class OverloadedError(StoreUnavailableError):
    """More samples wait than the store may hold in memory: the sender should come back later."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
