"""The templates of the pages; every value is escaped, since names of hosts and guests are untrusted text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dashboards import HERE, formats


@cache
def environment() -> Environment:
    """Return the one environment with the filters that templates use."""
    templates = Environment(
        loader=FileSystemLoader(Path(HERE) / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("size", "percent", "duration", "decimal", "whole", "plain", "unix", "share", "offset")
    templates.filters["commands"] = commands
    templates.filters.update({name: getattr(formats, name) for name in names})
    return templates


def commands(text: str) -> Markup:
    """Return a sentence as HTML in which what stands between backticks is a command."""
    pieces = text.split("`")
    forms = (Markup("{}"), Markup("<code>{}</code>"))
    return Markup("").join(forms[index % 2].format(piece) for index, piece in enumerate(pieces))


def render(template: str, /, **context: Any) -> Markup:
    """Return a template's text with the values filled in."""
    return Markup(environment().get_template(template).render(context))  # noqa: S704 - autoescaped
