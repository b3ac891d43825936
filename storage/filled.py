"""Up to which sample DuckDB has everything, noted beside it before the journal lets go of these samples.

DuckDB drops the rest of a log that it cannot read, often without a word: what is noted here shows it after a crash.
"""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

NAME = "fleet.filled"
_NUMBER = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")  # CRC-32 of the number


def note_filled(directory: Path, sample_id: int) -> None:
    """Write the number of the last sample that DuckDB has durably; where that fails the last note stands."""
    number = _NUMBER.pack(sample_id)
    # An older note is true as well. It has always the same size, so a full disk seldom refuses it.
    with suppress(OSError):
        descriptor = os.open(directory / NAME, os.O_WRONLY | os.O_CREAT | os.O_DSYNC, 0o600)
        try:
            os.pwrite(descriptor, number + _CHECKSUM.pack(zlib.crc32(number)), 0)
        finally:
            os.close(descriptor)


def find_filled(directory: Path) -> int | None:
    """Return the number that was noted last; None when there is none that can be read."""
    try:
        note = (directory / NAME).read_bytes()
    except OSError:
        return None
    number, checksum = note[: _NUMBER.size], note[_NUMBER.size :]
    if checksum != _CHECKSUM.pack(zlib.crc32(number)):
        return None
    return _NUMBER.unpack(number)[0]
