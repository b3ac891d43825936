"""The rows of guests as columns: most of all rows are theirs, and Python's other threads do not wait for them.

They take the way by JSON, which msgspec writes and Arrow reads without holding the interpreter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

import msgspec
import pyarrow.json  # pyright: ignore[reportMissingTypeStubs]

from proxmon.payload import FastPayload, GuestRuntime
from proxmon.samples import Sample
from storage.arrow import pa
from storage.moments import to_store
from storage.tables import GUEST_SAMPLES

_json: Any = pyarrow.json
_KEYS = {"run_state": "status"}  # where a column has another name than the key of a guest
_WHEN, _GUEST = GUEST_SAMPLES.schema.names[:2], GUEST_SAMPLES.schema.names[2:]
_PARSING = _json.ParseOptions(
    explicit_schema=pa.schema([(_KEYS.get(name, name), GUEST_SAMPLES.schema.field(name).type) for name in _GUEST]),
    unexpected_field_behavior="ignore",
)
_ENCODER = msgspec.json.Encoder()


def guest_columns(samples: Iterable[Sample]) -> Any:
    """Return the guests of fast samples as an Arrow table with the columns of ``guest_samples``, or None."""
    found = [(sample, guests) for sample in samples if (guests := _guests(sample))]
    if not found:
        return None
    lines = _ENCODER.encode_lines(list(chain.from_iterable(guests for _, guests in found)))
    # One block holds all: a guest may not lie across two.
    reading = _json.ReadOptions(use_threads=False, block_size=len(lines))
    guests = _json.read_json(pa.BufferReader(lines), read_options=reading, parse_options=_PARSING)
    owners = pa.array(chain.from_iterable(repeat(index, len(some)) for index, (_, some) in enumerate(found)))
    when = [
        pa.array([sample.host_id for sample, _ in found], GUEST_SAMPLES.schema.field(0).type),
        pa.array([to_store(sample.observed_at) for sample, _ in found], GUEST_SAMPLES.schema.field(1).type),
    ]
    return pa.Table.from_arrays(
        [*(column.take(owners) for column in when), *guests.columns], schema=GUEST_SAMPLES.schema
    )


def _guests(sample: Sample) -> Sequence[GuestRuntime]:
    payload = sample.payload
    return (isinstance(payload, FastPayload) and payload.vms_runtime and payload.vms_runtime.vms) or ()
