"""The login page."""

from __future__ import annotations

from markupsafe import Markup

from dashboards.plain import plain_page


def login_page(action: str, next: str, xsrf_html: str, error: str, prefix: str) -> str:  # noqa: A002 - the field's name
    """Return the login page.

    ``action`` is where the form posts to, ``next`` where it leads afterwards, ``xsrf_html`` the form field against
    cross-site requests as Tornado renders it, ``error`` a sentence above the field or empty.
    """
    xsrf = Markup(xsrf_html)  # noqa: S704 - Tornado made it
    return plain_page("login.html", prefix, action=action, next=next, xsrf=xsrf, error=error)
