"""Everything that is kept: the only package that knows DuckDB and SQL."""

from storage.errors import StoreLockedError
from storage.inbox import Appended
from storage.store import Store

__all__ = ["Appended", "Store", "StoreLockedError"]
