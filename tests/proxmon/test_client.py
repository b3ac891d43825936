"""A notebook never takes a part of an answer for the whole."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pyarrow as pa
import pytest

from proxmon.client.frames import Chunks, as_table, convert, read_batches
from proxmon.errors import NotFoundError, QueryError


def a_stream(batches: int = 3) -> bytes:
    """Return an Arrow stream of so many batches with ten rows each."""
    sink = BytesIO()
    schema = pa.schema([("a", pa.int64())])
    with pa.ipc.new_stream(sink, schema) as writer:
        for _ in range(batches):
            writer.write_batch(pa.RecordBatch.from_pydict({"a": list(range(10))}, schema=schema))
    return sink.getvalue()


def test_a_whole_stream_is_read() -> None:
    assert as_table(read_batches(BytesIO(a_stream()))).num_rows == 30


def test_a_stream_without_rows_has_its_columns() -> None:
    assert as_table(read_batches(BytesIO(a_stream(0)))).column_names == ["a"]


@pytest.mark.parametrize("missing", range(1, 200, 7))
def test_a_stream_that_ends_anywhere_else_is_an_error(missing: int) -> None:
    with pytest.raises((QueryError, pa.ArrowException, OSError)):
        as_table(read_batches(BytesIO(a_stream()[:-missing])))


def test_chunks_read_as_one_stream_however_they_are_cut() -> None:
    stream = a_stream()
    for size in (1, 7, 1000):
        chunks = Chunks(iter([stream[start : start + size] for start in range(0, len(stream), size)]))
        assert as_table(read_batches(chunks)).num_rows == 30


@pytest.mark.parametrize(
    ("kind", "module", "form"),
    [("pandas", "pandas", "DataFrame"), ("arrow", "pyarrow", "Table"), ("polars", "polars", "DataFrame")],
)
def test_rows_come_in_the_form_that_was_asked_for(kind: str, module: str, form: str) -> None:
    found: Any = convert(as_table(read_batches(BytesIO(a_stream()))), kind)
    assert (type(found).__module__.partition(".")[0], type(found).__name__) == (module, form)
    assert len(found) == 30


def test_a_form_that_there_is_not_is_refused_in_words() -> None:
    with pytest.raises(NotFoundError, match='as_="pandas"'):
        convert(as_table(read_batches(BytesIO(a_stream()))), "numpy")
