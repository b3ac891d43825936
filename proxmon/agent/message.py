"""Builds the messages that carry samples: JSON, gzipped while it is put together and so never whole in memory."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

GZIP_WINDOW_BITS = 31  # 15 bits of window, and 16 for a gzip head instead of zlib's


def iso_utc(unix_seconds: float) -> str:
    """Write a moment as ISO 8601 in UTC with microseconds."""
    moment = datetime.fromtimestamp(unix_seconds, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


def sample_text(tier: str, collected_at: str, payload: Mapping[str, Any]) -> bytes:
    """Write one sample as the JSON that goes into a message, and into the spool, as it is."""
    sample = {"tier": tier, "collected_at": collected_at, "payload": payload}
    return json.dumps(sample, separators=(",", ":"), default=str).encode()


class Envelope(NamedTuple):
    """What a message says beside its samples."""

    agent_version: str
    intervals_seconds: Mapping[str, float]

    def pack(self, samples: Iterable[bytes], sent_at: str) -> bytes:
        """Return a gzipped message; `sent_at` lets the server tell a wrong clock from a late sample."""
        head = {
            "agent_version": self.agent_version,
            "interval_s": self.intervals_seconds["fast"],
            "intervals_s": dict(self.intervals_seconds),
            "sent_at": sent_at,
        }
        packer = zlib.compressobj(6, zlib.DEFLATED, GZIP_WINDOW_BITS)
        parts = [packer.compress(json.dumps(head).encode()[:-1] + b', "samples": [')]
        for index, sample in enumerate(samples):
            parts.append(packer.compress(b"," + sample if index else sample))
        parts += [packer.compress(b"]}"), packer.flush()]
        return b"".join(parts)
