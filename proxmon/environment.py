"""Settings as fields of dataclasses: declared with their name in the environment, and read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any

from proxmon.errors import SettingsError


def setting(default: object, env: str, doc: str) -> Any:
    """Declare a setting with its default, its name in the environment and its line in the docs."""
    return field(default=default, metadata={"env": env, "doc": doc})


def read_environment(settings: type, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a settings' dataclass that the environment sets.

    Raises:
        SettingsError: a value cannot be used; the text names the variable.
    """
    found: dict[str, Any] = {}
    for one in fields(settings):
        text = environ.get(one.metadata["env"], "") if one.metadata else ""
        if text:
            kind: type = one.default.__class__
            found[one.name] = _convert(one.metadata["env"], text, kind)
    return found


def shown_default(default: object) -> str:
    """Return a default as one would write it."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _convert(env: str, text: str, kind: type) -> object:
    if kind is bool:
        if text.casefold() in ("1", "true", "yes", "on"):
            return True
        if text.casefold() in ("0", "false", "no", "off"):
            return False
        raise SettingsError(f"Set {env} to yes or no, not {text!r}.")
    if kind is str:
        return text
    try:
        number = kind(text)
    except ValueError as error:
        raise SettingsError(f"Set {env} to a number, not {text!r}.") from error
    if not 0 <= number < float("inf"):
        raise SettingsError(f"Set {env} to a number from 0, not {text!r}.")
    return number
