"""Reads the head of a request of the plainest form; whatever else it is, is for Tornado to judge.

Where two readers of one connection disagree on where a request ends, somebody can hide a request in another. So what
is read here is less than HTTP allows: nothing that one reader could take for something else than the other does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from proxmon.handlers.base import bearer_token

MAX_HEAD_BYTES = 64 * 1024  # Tornado's own
_END = b"\r\n\r\n"
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
# Nothing here is optional beside another repetition of the same characters: that would take time by the square.
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_HOST = re.compile(r"[0-9A-Za-z._:\[\]-]*")
# What changes how a body is framed, or asks for more than an answer.
_NOT_PLAIN = frozenset({"transfer-encoding", "expect", "upgrade", "te", "trailer"})
_ONCE = frozenset({"host", "content-length", "authorization", "content-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class Head:
    """What the fields of a plain request say of its body, and who sent it."""

    token: str
    encoding: str
    length: int


def head_bytes(content: bytes) -> int | None:
    """Return how much of what came is a request's head; None when its end is still to come.

    It is 0 when the head is too long, or when Tornado may see its end somewhere else.
    """
    end = content.find(_END)
    if 0 <= end <= MAX_HEAD_BYTES - len(_END):
        return end + len(_END)
    return 0 if end >= 0 or len(content) > MAX_HEAD_BYTES or _BARE_LINE_FEED.search(content) else None


def read_head(head: bytes, request_line: bytes) -> Head | None:
    """Read what stands before a body, with its empty line; None unless it is a plain request with that first line."""
    first, *lines = head.removesuffix(_END).split(b"\r\n")
    if first != request_line:
        return None
    found = [_FIELD.fullmatch(line.decode("latin-1")) for line in lines]
    return read_fields((one[1].lower(), one[2].strip(" \t")) for one in found if one) if all(found) else None


def read_fields(fields: Iterable[tuple[str, str]]) -> Head | None:
    """Read the fields of a request, with their names in small letters; None unless it is a plain one with a token."""
    known: dict[str, str] = {}
    for name, value in fields:
        if name in _NOT_PLAIN or (name in known and name in _ONCE):
            return None
        known[name] = value
    length, token = known.get("content-length", ""), bearer_token({"Authorization": known.get("authorization", "")})
    is_plain = length.isascii() and length.isdecimal() and len(length) <= 12 and _HOST.fullmatch(known.get("host", "/"))
    if not is_plain or token is None or known.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    return Head(token, known.get("content-encoding", ""), int(length))
