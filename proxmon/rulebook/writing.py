"""Changes one entry of the owner's rules in their text, and leaves comments and all else as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from proxmon.errors import RulesError
from proxmon.rulebook.catalog import RuleSpec
from proxmon.rulebook.reading import LARGEST_BYTES

Value = float | bool | str | None


def put_entry(text: str, spec: RuleSpec, host: str, subject: str, values: Mapping[str, Value]) -> str:
    """Return the text with the entry of these patterns changed, or with a new one at the end of its rule.

    A value of None takes a key away; an entry without any value is taken away. Empty patterns and ``*`` are everything.

    Raises:
        RulesError: the text is no TOML, or has the rule in a form that is not ``[[rule]]``.
    """
    document = _parse(text)
    found: object = document.get(spec.name)
    if found is None:
        found = tomlkit.aot()
        document.append(spec.name, found)
    if not isinstance(found, AoT):
        raise RulesError(f"Write [[{spec.name}]] on a line of its own, and its keys below.")
    entries = cast("list[Any]", found)
    patterns = (("host", host), (spec.subject, subject))
    where = {key: pattern for key, pattern in patterns if key and pattern not in ("", "*")}
    place = next((index for index, one in enumerate(entries) if _patterns(one, spec) == where), None)
    entry: Any = tomlkit.table() if place is None else entries[place]
    if place is None:
        for key, pattern in where.items():
            entry[key] = pattern
    for key, value in values.items():
        if value is None:
            entry.pop(key, None)
        else:
            entry[key] = value
    is_empty = not set(entry) - {"host", spec.subject}
    if place is None and not is_empty:
        entries.append(entry)
    elif place is not None and is_empty:
        del entries[place]
    if not entries:
        document.remove(spec.name)
    return tomlkit.dumps(document)


def _parse(text: str) -> Any:
    if len(text) > LARGEST_BYTES:
        raise RulesError(f"Shorten the rules to {LARGEST_BYTES:,} characters.")
    try:
        return tomlkit.parse(text)
    except (TOMLKitError, RecursionError) as error:
        raise RulesError(f"Write the rules as TOML: {error}.") from error


def _patterns(entry: Mapping[str, Any], spec: RuleSpec) -> dict[str, str]:
    keys = [key for key in ("host", spec.subject) if key]
    return {key: str(entry[key]) for key in keys if entry.get(key, "*") != "*"}
