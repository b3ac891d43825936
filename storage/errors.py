"""Errors of the store that say more than that it is unavailable."""

from proxmon.errors import StoreUnavailableError


class StoreLockedError(StoreUnavailableError):
    """Another process, or another store of this process, holds the data directory."""
