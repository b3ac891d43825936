"""Open what `zpool … -j` and `zfs … -j` print."""

from __future__ import annotations

import json
from typing import Any, cast


class ParseError(ValueError):
    """The text is not the JSON that was expected."""


def load_section(text: str, section: str) -> dict[str, Any]:
    """Return the object under a top-level key, empty when the key is missing.

    Raises:
        ParseError: the text is no JSON, or no JSON object.
    """
    try:
        document: Any = json.loads(text)
    except RecursionError as error:
        raise ParseError("This is not the JSON of OpenZFS: it is nested too deeply.") from error
    except ValueError as error:
        raise ParseError(f"This is not valid JSON: {error}.") from error
    if not isinstance(document, dict):
        raise ParseError("This is not the JSON of OpenZFS: an object was expected at the top.")
    return as_object(cast("dict[str, Any]", document).get(section))


def as_object(value: Any) -> dict[str, Any]:
    """Return the value when it is an object, otherwise an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def list_objects(value: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the members of an object that are objects themselves, in their order."""
    return [(key, as_object(member)) for key, member in as_object(value).items() if isinstance(member, dict)]


def as_text(value: Any) -> str | None:
    """Return a non-empty text, None for anything else and for `-`."""
    return value if isinstance(value, str) and value not in ("", "-") else None


def property_values(record: dict[str, Any]) -> dict[str, Any]:
    """Return property name → value, without the sources."""
    return {name: detail.get("value") for name, detail in list_objects(record.get("properties"))}
