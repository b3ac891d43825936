"""Everything that is kept: the only package that knows DuckDB and SQL."""

from storage.errors import StoreLockedError
from storage.store import Store

__all__ = ["Store", "StoreLockedError"]
