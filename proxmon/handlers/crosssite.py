"""Tells a request of our own pages from one that another site made the browser send."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS = {"http": ":80", "https": ":443"}


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
    parts = _parts(origin)
    # Browsers leave a scheme's own port out; a Host header that a proxy wrote, or a setting, may name it.
    port = DEFAULT_PORTS.get(parts.scheme, "")
    netloc = parts.netloc.lower().removesuffix(port)
    return bool(netloc) and netloc in {one.lower().removesuffix(port) for one in (host, *origins)}


def explain_foreign(origin: str, host: str) -> str:
    """Return what to set when a page of our own is taken for another site's, as behind a proxy that hides its host."""
    page = _parts(origin).netloc
    if not page:
        return "Another site's page sent the request."
    return (
        f"The page was at {page}, the request went to {host}. If both are this monitor, let the proxy pass the Host "
        f"header on, or set PROXMON_ORIGINS={page}."
    )


def _parts(origin: str) -> SplitResult:
    try:
        return urlsplit(origin)
    except ValueError:
        return urlsplit("")
