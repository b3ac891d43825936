"""Pages of plain HTML in a frame of their own: without Panel, scripts of a page or anything from elsewhere."""

from __future__ import annotations

from dashboards.shell import NAME
from dashboards.static import asset_url
from dashboards.templating import render

STYLES = ("tokens.css", "login.css")


def plain_page(template: str, prefix: str, **context: object) -> str:
    """Return a page whose template extends ``plain.html``; ``prefix`` is the path below which a proxy serves us."""
    page = render(
        template,
        name=NAME,
        styles=[asset_url(prefix, name) for name in STYLES],
        favicon=asset_url(prefix, "favicon.svg"),
        theme=asset_url(prefix, "theme.js"),
        **context,
    )
    return str(page)
