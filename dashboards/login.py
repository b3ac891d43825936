"""The login page: plain HTML without Panel, scripts of its own or anything from elsewhere."""

from __future__ import annotations

from markupsafe import Markup

from dashboards.shell import NAME
from dashboards.static import asset_url
from dashboards.templating import render


def login_page(action: str, next: str, xsrf_html: str, error: str, prefix: str) -> str:  # noqa: A002 - the field's name
    """Return the login page.

    ``action`` is where the form posts to, ``next`` where it leads afterwards, ``xsrf_html`` the form field against
    cross-site requests as Tornado renders it, ``error`` a sentence above the field or empty.
    """
    return str(
        render(
            "login.html",
            name=NAME,
            action=action,
            next=next,
            xsrf=Markup(xsrf_html),  # noqa: S704 - Tornado made it
            error=error,
            styles=[asset_url(prefix, name) for name in ("tokens.css", "login.css")],
            favicon=asset_url(prefix, "favicon.svg"),
            theme=asset_url(prefix, "theme.js"),
        )
    )
