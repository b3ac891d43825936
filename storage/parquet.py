"""Columns as Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow.parquet  # pyright: ignore[reportMissingTypeStubs]

from proxmon.seriesrows import Times, Values
from storage.arrow import pa

parquet: Any = pyarrow.parquet


def write_parquet(at: Times, values: Mapping[str, Values]) -> bytes:
    """Return the bytes of a Parquet file: moments in UTC as ``at``, and columns of which NaN is what is not known."""
    columns = {"at": pa.array(at, pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))}
    columns |= {name: pa.array(column, pa.float64(), from_pandas=True) for name, column in values.items()}
    target = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), target, compression="zstd")
    return target.getvalue().to_pybytes()
