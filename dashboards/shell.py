"""The frame around every page: navigation, breadcrumbs, theme, connection state, sign out."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import panel as pn
from markupsafe import Markup

from dashboards.alert_rows import alert_counts
from dashboards.formats import clock_text, duration, unix
from dashboards.live import Page, asked_host, document_notice
from dashboards.static import STYLES, asset_url, import_map
from dashboards.templating import render

NAME = "proxmon"
NAV = (
    ("/", "Overview", "grid"),
    ("/alerts", "Alerts", "bell"),
    ("/events", "Events", "list"),
    ("/vms", "Guests", "guest"),
    ("/admin/hosts", "Manage hosts", "host"),
)

# Panel's own page skeleton, with our head and our frame; the texts were escaped when they were rendered. Bokeh's
# scripts are three megabytes and take up to a second: the page is painted before they run.
SKELETON = """{% extends base %}
{% block js_resources %}{{ head }}{{ bokeh_js
    | replace('<script type="text/javascript" src=', '<script defer src=')
    | replace('<script type="text/javascript">', '<script type="module">') }}{% endblock %}
{% block contents %}{{ frame }}<div class="channel" aria-hidden="true">{{ embed(roots.channel) }}</div>{% endblock %}
"""


def page_template(page: Page, notice: str = "") -> pn.Template:
    """Return the page in its frame, ready to be served."""
    prefix = page.monitor.settings.root
    template = pn.Template(SKELETON)
    template.add_panel("channel", page)
    for name, value in _variables(page, prefix, notice).items():
        template.add_variable(name, value)
    page.attach()
    return template


def _variables(page: Page, prefix: str, notice: str) -> dict[str, Any]:
    content = render(page.template_name, **frame_context(page), **page.context())
    return {
        "app_favicon": asset_url(prefix, "favicon.svg"),
        "apple_icon": asset_url(prefix, "favicon.svg"),
        "head": head(prefix),
        "frame": render("frame.html", **frame_context(page), content=content, notice=document_notice(notice)),
    }


def head(prefix: str) -> Markup:
    """Return what every page has in its head: styles, the theme before the first paint, and the modules."""
    return render(
        "head.html",
        styles=[asset_url(prefix, name) for name in STYLES],
        font=f"{prefix}/assets/vendor/inter.woff2",
        theme=asset_url(prefix, "theme.js"),
        imports=import_map(prefix),
        page=asset_url(prefix, "page.js"),
    )


def frame_context(page: Page) -> dict[str, Any]:
    """Return what the frame shows and what every page's template may use."""
    prefix = page.monitor.settings.root
    at, now = page.at, page.monitor.clock()
    return {
        "name": NAME,
        "nav": NAV,
        "active": page.nav,
        "crumbs": page.crumbs,
        "prefix": prefix,
        "own_hosts": " ".join([asked_host(), *sorted(page.monitor.settings.allowed_origins)]),
        "suffix": "" if at is None else f"?at={quote(f'{at:%Y-%m-%dT%H:%M:%SZ}')}",
        "whose": f" of {page.stepped_host}" if page.stepped_host else "",
        "live_address": prefix + page.crumbs[-1][0],
        "has_past": page.has_past,
        "alert_counts": alert_counts(page.monitor),
        "is_copy": page.monitor.moment is not None,
        "back": "Back to live" if page.monitor.moment is None else "Back to its moment",
        "past": "" if at is None else clock_text(at),
        "past_ago": "" if at is None else duration((now - at).total_seconds()),
        "past_unix": unix(at),
        "moment_value": f"{page.now:%Y-%m-%dT%H:%M:%S}",
        "server_unix": unix(now),
    }
