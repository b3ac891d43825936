"""Addresses of the static files, which change with their content so that browsers may keep them for good."""

from __future__ import annotations

import hashlib
import json
from functools import cache

from markupsafe import Markup

from dashboards import assets_directory

STYLES = (
    "tokens.css",
    "frame.css",
    "parts.css",
    "cards.css",
    "tables.css",
    "host.css",
    "alerts.css",
    "timeline.css",
    "admin.css",
    "rules.css",
    "travel.css",
    "vendor/uplot.css",
    "charts.css",
)


@cache
def digest(name: str) -> str:
    """Return a short hash of a file's content."""
    return hashlib.sha256((assets_directory() / name).read_bytes()).hexdigest()[:12]


def asset_url(prefix: str, name: str) -> str:
    """Return the address of a static file below the server's path prefix."""
    return f"{prefix}/assets/{name}?v={digest(name)}"


def import_map(prefix: str) -> Markup:
    """Return the browser's import map: a module that imports another by its plain name gets the right version."""
    assets = assets_directory()
    names = sorted(path.relative_to(assets).as_posix() for path in assets.rglob("*.js"))
    imports = {f"{prefix}/assets/{name}": asset_url(prefix, name) for name in names}
    return script_json({"imports": imports})


def script_json(value: object) -> Markup:
    """Return JSON that may stand inside a ``<script>`` element, whatever texts it holds."""
    return escape_json(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def escape_json(text: str) -> Markup:
    """Return JSON text with the signs escaped that could end a ``<script>`` element."""
    escaped = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(escaped)  # noqa: S704 - what could end the element was escaped above
