"""Reading the tree of a statement that DuckDB has parsed, which 1.5 and 2 write in different ways."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

Parameters = Sequence[object] | Mapping[str, object] | None


def objects(tree: object) -> Iterator[dict[str, Any]]:
    """Give every object of the tree, without recursion: a tree of others may be deep."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node  # pyright: ignore[reportUnknownVariableType] - JSON
            waiting.extend(node.values())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON
        elif isinstance(node, list):
            waiting.extend(node)  # pyright: ignore[reportUnknownArgumentType] - JSON


def name_of(node: Any, key: str = "function_name") -> str:
    """Return a name in small letters; an empty one when the node has none."""
    return str(node.get(key, "")).lower() if isinstance(node, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON


def arguments_of(node: dict[str, Any]) -> list[Any]:
    """Return the arguments of a function."""
    if "arguments" in node:  # DuckDB 2
        return [argument.get("expression") for argument in node["arguments"]]
    return node.get("children") or []


def constant_of(node: Any, parameters: Parameters) -> object:
    """Return the value of a constant or a parameter; None for anything else, and for a NULL."""
    found = cast("dict[str, Any]", node if isinstance(node, dict) else {})
    if found.get("class") == "PARAMETER":
        return _given(str(found.get("identifier", "")), parameters)
    if found.get("class") != "CONSTANT":
        return None
    literal = found.get("literal")  # DuckDB 2
    if literal is None:
        value: dict[str, Any] = found.get("value") or {}
        return value.get("value")
    return int(literal["text"]) if literal["kind"] == "INTEGER" else literal["text"]


def text_of(node: Any, parameters: Parameters) -> str | None:
    """Return the text of a constant or a parameter, or None."""
    value = constant_of(node, parameters)
    return value if isinstance(value, str) else None


def number_of(node: Any, parameters: Parameters) -> int | None:
    """Return the whole number of a constant or a parameter, or of a sum or product of such; None of anything else."""
    if name_of(node, "class") == "cast":
        return number_of(node.get("child"), parameters)
    if name_of(node) in ("+", "*"):
        parts = [number_of(one, parameters) for one in arguments_of(node)]
        numbers = [one for one in parts if one is not None]
        return (sum if name_of(node) == "+" else math.prod)(numbers) if len(numbers) == len(parts) > 0 else None
    value = constant_of(node, parameters)
    return value if isinstance(value, int) else None


def _given(identifier: str, parameters: Parameters) -> object:
    if isinstance(parameters, Mapping):
        return parameters.get(identifier)
    place = int(identifier) - 1 if identifier.isdigit() else -1
    return parameters[place] if parameters and 0 <= place < len(parameters) else None
