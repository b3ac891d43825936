"""What a sender and its courier share: how long a message may take, and what of a reason may be told."""

from __future__ import annotations

import re
from urllib.parse import unquote

SEND_SECONDS = 20.0
SHORTEST_SECRET = 5  # shorter pieces of an address occur in any sentence
MAX_REASON = 300


def without_secrets(text: str, url: str) -> str:
    """Return a sentence without the pieces of an address that may be secret: all but the service and its host."""
    _, _, rest = url.partition("://")
    place, _, tail = rest.partition("/")
    account, _, _ = place.rpartition("@")
    pieces = {piece for part in (account, tail) for piece in re.split(r"[/?&=:,]", part)}
    pieces |= {unquote(piece) for piece in pieces}
    if "@" not in place and "." not in place and ":" not in place:
        pieces.add(place)  # the first token of an address without a host
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= SHORTEST_SECRET:
            text = text.replace(piece, "…")
    return text[:MAX_REASON]
