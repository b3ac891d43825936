"""What gives a notebook its answers: a running server (server.py), or a store on this machine (local.py)."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

Parameters = Sequence[object] | Mapping[str, object] | None
Rows = list[dict[str, Any]]
Batches = Generator[Any, None, None]  # of pyarrow.RecordBatch; closing it ends the query


class Source(Protocol):
    """Where the answers come from."""

    def list_hosts(self, at: datetime | None) -> Rows:
        """List the judged hosts in the form of ``GET /api/hosts``."""
        ...

    def get_host(self, name: str, at: datetime | None) -> dict[str, Any]:
        """Return one judged host in the form of ``GET /api/hosts/NAME``; raises NotFoundError."""
        ...

    def list_guests(self, query: str, at: datetime | None) -> Rows:
        """List the guests that match, in the form of ``GET /api/guests``."""
        ...

    def read(self, sql: str, parameters: Parameters) -> Batches:
        """Give the pyarrow.RecordBatch of a query's rows as they arrive; the first one is there without rows too."""
        ...

    def now(self) -> datetime:
        """Return the moment up to which something can be known."""
        ...

    def hold(self) -> AbstractContextManager[None]:
        """Stay connected for several questions in a row, where each would open the store otherwise."""
        ...
