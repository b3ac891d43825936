"""A small HTTP client for the demo: one request, one answer, on the event loop."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

LIMIT_SECONDS = 10.0


async def post_json(url: str, token: str, body: bytes) -> tuple[int, str]:
    """Send a body of JSON with a bearer token; return the answer's status and body.

    Raises:
        OSError: there was no connection, no answer in time, or no HTTP.
    """
    async with asyncio.timeout(LIMIT_SECONDS):
        answer = await _exchange(url, token, body)
    head, _, text = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ConnectionError("The answer is no HTTP.")
    return int(words[1]), text.decode(errors="replace")


async def _exchange(url: str, token: str, body: bytes) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        writer.write(_head(parts.path, parts.netloc, token, len(body)) + body)
        await writer.drain()
        return await reader.read()
    finally:
        writer.close()


def _head(path: str, authority: str, token: str, length: int) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {authority}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "Connection: close",  # a connection per message costs less than keeping hundreds alive
    )
    return "\r\n".join((*lines, "", "")).encode("latin-1")
