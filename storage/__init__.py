"""Everything that is kept: the only package that knows DuckDB and SQL."""

from storage.bundle import BundleRequest, write_bundle
from storage.errors import StoreLockedError
from storage.store import Store

__all__ = ["BundleRequest", "Store", "StoreLockedError", "write_bundle"]
