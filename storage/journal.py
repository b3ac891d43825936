"""The journal: what was acknowledged, on disk a moment before DuckDB has it.

A DuckDB commit costs 2 to 3 ms of CPU whatever is in it; a write of bytes that are at hand costs a hundredth of that.
So a sample is acknowledged once the journal has it, and DuckDB takes in all that came within some seconds together. Two
files take turns: while DuckDB takes in what one holds, the other grows.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from proxmon.payload import Tier
from storage.arrow import pa
from storage.filled import note_filled

log = logging.getLogger(__name__)

_MAGIC = b"PXJ2"
_HEAD = struct.Struct("<4sIII")  # the magic, length and CRC-32 of what follows, and its length once unpacked
_CODEC = pa.Codec("zstd", compression_level=1)  # of eight samples together a sixth of what zlib costs, in a third
_OLD_MAGIC, _OLD_HEAD = b"PXJ1", struct.Struct("<4sII")  # up to version 0.1: packed by zlib
# Room that is there already makes each write cheaper: the file system need not note a new length.
ROOM_BYTES = 4 * 2**20


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A sample as the journal keeps it."""

    sample_id: int
    host_id: int
    tier: Tier
    collected_at: datetime
    received_at: datetime
    observed_at: datetime
    interval_seconds: float
    clock_offset_seconds: float
    agent_version: str
    raw: bytes


@dataclass(slots=True)
class _File:
    path: Path
    descriptor: int
    length: int = 0
    last_id: int = 0
    is_clear: bool = True


class Journal:
    """Two files that take turns, begun anew: what ``recover`` found in them must be in DuckDB before."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._lock = threading.Lock()
        self._files = [_File(path, _open(path)) for path in paths]
        for one in self._files:
            _clear(one)
        self._current = 0

    def append(self, entries: Sequence[Entry]) -> None:
        """Add samples, in the order of their numbers; they are durable when it returns. Raises OSError."""
        plain = msgspec.msgpack.encode(entries)
        body = _CODEC.compress(plain, asbytes=True)
        block = _HEAD.pack(_MAGIC, len(body), zlib.crc32(body), len(plain)) + body
        with self._lock:
            current = self._files[self._current]
            if current.is_clear:
                _make_room(current)
            try:
                _write(current.descriptor, block, current.length)
            except OSError:
                # What is left of it was acknowledged to nobody.
                with suppress(OSError):
                    os.ftruncate(current.descriptor, current.length)
                raise
            current.length += len(block)
            current.last_id = entries[-1].sample_id

    def probe(self) -> None:
        """Write a nought where the next samples go, which nobody reads, to see whether it can be. Raises OSError."""
        with self._lock:
            current = self._files[self._current]
            _write(current.descriptor, b"\0", current.length)

    def turn(self) -> None:
        """Let the other file grow from now on if nothing in it is needed any more."""
        with self._lock:
            other = 1 - self._current
            if self._files[other].length == 0:
                self._current = other

    def release(self, through_id: int) -> None:
        """Empty the files of which DuckDB has everything, which is all samples up to this one."""
        with self._lock:
            last_ids = [one.last_id for one in self._done(through_id)]
        if last_ids:
            # Not under the lock: nobody who appends waits for it.
            note_filled(self._files[0].path.parent, max(last_ids))
        with self._lock:
            for one in self._done(through_id):
                _clear(one)

    def close(self, *, is_needed: bool) -> None:
        """Close the files; those that are not needed any more are deleted."""
        for one in self._files:
            os.close(one.descriptor)
            if not is_needed:
                one.path.unlink(missing_ok=True)

    def _done(self, through_id: int) -> list[_File]:
        return [one for one in self._files if one.length and one.last_id <= through_id]


def recover(paths: Sequence[Path]) -> list[Entry]:
    """Return what the journal holds, by number; a file that is damaged is kept aside, and read up to the damage."""
    entries: list[Entry] = []
    for path in paths:
        content = path.read_bytes() if path.exists() else b""
        found: list[Entry] = []
        length = 0
        for length, some in _blocks(content):  # noqa: B007 - the length after the last whole block
            found += some
        if content[length:].strip(b"\0"):
            _keep_aside(path, content, len(found))
        entries += found
    return sorted(entries, key=lambda entry: entry.sample_id)


def _blocks(content: bytes) -> Iterator[tuple[int, list[Entry]]]:
    """Give the blocks until one is not whole, each with where it ends."""
    position = 0
    while (found := _read_block(content, position)) is not None:
        position, plain = found
        yield position, msgspec.msgpack.decode(plain, type=list[Entry])


def _read_block(content: bytes, position: int) -> tuple[int, bytes] | None:
    """Return where the block at a position ends and what is in it; None when it is not whole."""
    head = _OLD_HEAD if content.startswith(_OLD_MAGIC, position) else _HEAD
    if len(content) - position < head.size:
        return None
    magic, length, checksum, *size = head.unpack_from(content, position)
    begin, end = position + head.size, position + head.size + length
    body = content[begin:end]
    if magic not in (_MAGIC, _OLD_MAGIC) or len(body) != length or zlib.crc32(body) != checksum:
        return None
    return end, _CODEC.decompress(body, *size, asbytes=True) if size else zlib.decompress(body)


def _keep_aside(path: Path, content: bytes, count: int) -> None:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    with os.fdopen(_open(aside), "wb") as file:
        file.write(content)
    log.warning("the journal was damaged: %d samples were recovered; the damaged file is kept as %s", count, aside.name)


def _open(path: Path) -> int:
    # Each write is durable when it returns (O_DSYNC), which saves a second call to the system.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DSYNC, 0o600)
    parent = os.open(path.parent, os.O_RDONLY)
    os.fsync(parent)
    os.close(parent)
    return descriptor


def _write(descriptor: int, block: bytes, position: int) -> None:
    rest = memoryview(block)
    while rest:
        written = os.pwrite(descriptor, rest, position)
        rest, position = rest[written:], position + written


def _make_room(file: _File) -> None:
    # Without it the writes are slower and no less safe.
    with suppress(OSError):
        os.posix_fallocate(file.descriptor, 0, ROOM_BYTES)
    file.is_clear = False


def _clear(file: _File) -> None:
    os.ftruncate(file.descriptor, 0)
    file.length, file.is_clear = 0, True
