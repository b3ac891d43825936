"""DataFrames as Parquet files."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet  # pyright: ignore[reportMissingTypeStubs]

from storage.arrow import pa

parquet: Any = pyarrow.parquet


def write_parquet(frame: Any) -> bytes:
    """Return the bytes of a Parquet file with the columns of a DataFrame, without its index."""
    target = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), target, compression="zstd")
    return target.getvalue().to_pybytes()
