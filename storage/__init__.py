"""Everything that is kept: the only package that knows DuckDB and SQL."""

from storage.bundle import BundleRequest, write_bundle
from storage.errors import StoreLockedError
from storage.quack import QuackServer, find_extensions
from storage.store import Store

__all__ = ["BundleRequest", "QuackServer", "Store", "StoreLockedError", "find_extensions", "write_bundle"]
