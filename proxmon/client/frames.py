"""Arrow as it comes from the store, made into batches, tables and DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from io import RawIOBase
from typing import Any

import pandas  # pyright: ignore[reportMissingTypeStubs]
import pyarrow  # pyright: ignore[reportMissingTypeStubs]

from proxmon.errors import NotFoundError, QueryError

# Neither is typed; their objects are named in the docstrings.
pd: Any = pandas
pa: Any = pyarrow

# How an Arrow IPC stream ends (the format's specification); one that merely stops was cut off.
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
CUT_OFF = "Ask again: the answer was cut off before its end."


class Whole(RawIOBase):
    """A stream that knows whether it was read to its proper end: a connection can also just stop between batches."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream, self._last = stream, b""

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most so many bytes."""
        found = self._stream.read(size)
        self._last = (self._last + found)[-len(END_OF_STREAM) :]
        return found

    @property
    def is_whole(self) -> bool:
        """Tell whether the last bytes read are those that end a stream."""
        return self._last == END_OF_STREAM


class Chunks(RawIOBase):
    """Chunks of bytes as one stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most so many bytes, fewer only at the end."""
        parts, missing = [self._rest], size - len(self._rest)
        while missing > 0 or size < 0:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            parts.append(chunk)
            missing -= len(chunk)
        everything = b"".join(parts)
        wanted = len(everything) if size < 0 else size
        self._rest = everything[wanted:]
        return everything[:wanted]


def read_batches(stream: Any) -> Iterator[Any]:
    """Give the pyarrow.RecordBatch of an Arrow IPC stream, the first one perhaps without rows, as they arrive.

    Raises:
        QueryError: the query failed on the way, or the stream ends too early.
    """
    whole = Whole(stream)
    reader = pa.ipc.open_stream(whole)
    yield pa.RecordBatch.from_pylist([], schema=reader.schema)
    while True:
        try:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
        except StopIteration:
            break
        if metadata is not None and b"error" in metadata:
            raise QueryError(metadata[b"error"].decode())
        yield batch
    if not whole.is_whole:
        raise QueryError(CUT_OFF)


def as_table(batches: Iterable[Any]) -> Any:
    """Return the pyarrow.Table of the batches, of which there is at least one."""
    return pa.Table.from_batches(list(batches))


def convert(table: Any, kind: str) -> Any:
    """Return a pyarrow.Table as ``pandas``, ``arrow`` or ``polars``. Raises NotFoundError for any other kind."""
    if kind == "pandas":
        return as_frame(table)
    if kind == "arrow":
        return table
    if kind == "polars":
        return _polars().from_arrow(table)
    raise NotFoundError(f'Choose as_="pandas", "arrow" or "polars": {kind!r} is none of them.')


def as_frame(table: Any) -> Any:
    """Return a DataFrame of a pyarrow.Table: whole numbers as integers where they fit, dates as timestamps.

    DuckDB's sums of integers are wider than 64 bits; as Python's decimals they could not be calculated with.
    """
    for position, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(position, field.name, _as_number(table.column(position), field.type.scale))
    return table.to_pandas(date_as_object=False)


def _as_number(column: Any, scale: int) -> Any:
    if scale == 0:
        with suppress(pa.ArrowInvalid):
            return column.cast(pa.int64())
    return column.cast(pa.float64())


def _polars() -> Any:
    try:
        return import_module("polars")
    except ImportError as error:
        raise NotFoundError("Install polars, or choose another form: pip install polars.") from error
