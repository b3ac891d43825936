"""Tells a request of our own pages from one that another site made the browser send."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit


def is_own_page(headers: Mapping[str, str], host: str, origins: Collection[str] = ()) -> bool | None:
    """Tell whether one of our pages sent the request; None where the headers do not say, as outside a browser.

    Browsers send ``Sec-Fetch-Site`` and, with every POST, ``Origin``; a page cannot forge either.
    ``origins`` are further hosts that count as our own.
    """
    origin = headers.get("Origin")
    if origin is not None:
        return is_own_origin(origin, host, origins)
    site = headers.get("Sec-Fetch-Site")
    return None if site is None else site in ("same-origin", "none")


def is_own_origin(origin: str, host: str, origins: Collection[str] = ()) -> bool:
    """Tell whether an ``Origin`` header names the host that the request went to."""
    netloc = urlsplit(origin).netloc.lower()
    return bool(netloc) and (netloc == host.lower() or netloc in origins)
