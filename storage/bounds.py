"""Bounds on arguments in SQL of others: with what lies beyond, DuckDB ends the process, or nothing interrupts it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storage.functions import AGGREGATES
from storage.trees import Parameters, arguments_of, constant_of, name_of, number_of, objects, text_of

# What is searched for is compared at each letter of a text that may have a thousand million.
MAX_CHARACTERS = 1000
MAX_DISTANCE = 1_000_000_000  # of rows; near the end of its integers DuckDB reads past its own
# Which argument is searched for, or is a name that is compared with all there are when there is none like it.
SOUGHT = {
    **dict.fromkeys(("contains", "instr", "strpos", "position", "replace", "split_part"), 1),
    **dict.fromkeys(("string_split", "str_split", "split", "string_to_array"), 1),
    **dict.fromkeys(("regexp_matches", "regexp_full_match", "regexp_extract", "regexp_extract_all"), 1),
    **dict.fromkeys(("regexp_replace", "regexp_split_to_array", "regexp_split_to_table"), 1),
    **dict.fromkeys(("string_split_regex", "str_split_regex", "~"), 1),
    "timezone": 0,
}
LIKE, GLOB = frozenset({"~~", "!~~"}), frozenset({"~~~"})
PATTERNS = LIKE | GLOB | {"~~*", "!~~*", "like_escape", "not_like_escape", "ilike_escape", "not_ilike_escape"}
KEEPING = frozenset({"lower", "lcase", "upper", "ucase", "trim", "ltrim", "rtrim", "reverse", "strip_accents"})
CUTTING = {"left": 1, "right": 1, "substr": 2, "substring": 2}
LISTS_INSTEAD = "; in a list, list_contains(list, value) finds anything, as does value = ANY(list)"
MAKING_LISTS = frozenset({"list_value", "list_pack", "array_value", "list", "array_agg", "range", "map"})
BY_NAME = frozenset({"list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate"})
BY_DISTANCE = frozenset({"lag", "lead"})
BOUND = SOUGHT.keys() | PATTERNS | BY_NAME | BY_DISTANCE
IN_INTERVALS = frozenset({"trunc", "-", "+", "*"})


def exceeded(node: dict[str, Any], parameters: Parameters) -> Iterator[str]:
    """Give a sentence for each bound that a part of a statement exceeds."""
    name, arguments = name_of(node), arguments_of(node)
    if name in BOUND and name_of(node, "schema") not in ("", "main"):
        # It may be a schema, or a column that becomes the first argument: which one is found out only later.
        yield f"write {name}(a, b) in place of a.{name}(b)"
    is_in_list = name == "contains" and arguments and _is_list(arguments[0], parameters)
    if name in SOUGHT and len(arguments) > SOUGHT[name] and not is_in_list:
        length = _length(arguments[SOUGHT[name]], parameters)
        if length is None or length > MAX_CHARACTERS:
            yield (
                f"give {name} a text of at most {MAX_CHARACTERS} characters that is written out, is a parameter, or is "
                f"cut, as left(…, {MAX_CHARACTERS})" + (LISTS_INSTEAD if name == "contains" else "")
            )
    if name in PATTERNS and len(arguments) > 1:
        yield from _pattern(name, text_of(arguments[1], parameters))
    if name in BY_NAME and (text_of(arguments[1], parameters) or "" if arguments[1:] else "").lower() not in AGGREGATES:
        yield f"give {name} one of the allowed aggregates by its name, such as 'sum'"
    if name in BY_DISTANCE and not _is_distance(node.get("offset_expr") or (arguments[1:2] or [None])[0], parameters):
        yield f"give {name} a whole number up to {MAX_DISTANCE} that is written out or a parameter"
    for side in ("start_expr", "end_expr"):
        if node.get(side) and not _is_frame(node[side], str(node.get(side[:-5])), parameters):
            yield f"let the frame of a window end at a whole number up to {MAX_DISTANCE} or an INTERVAL, written out"


def _pattern(name: str, pattern: str | None) -> Iterator[str]:
    if pattern is None or len(pattern) > MAX_CHARACTERS:
        yield (
            f"let a pattern be at most {MAX_CHARACTERS} characters that are written out or a parameter; "
            f"contains(a, left(b, {MAX_CHARACTERS})), starts_with and ends_with take other texts"
        )
        return
    # Each such sign multiplies the work by the length of the text, but for those that LIKE takes apart before.
    wildcard = "*" if name in GLOB else "%"
    is_taken_apart = name in LIKE and "_" not in pattern
    if not is_taken_apart and len([part for part in pattern.rstrip(wildcard).split(wildcard)[1:] if part]) > 1:
        yield f"let a pattern have one {wildcard} besides those at its end: regexp_matches takes any, as '(?i)a.*b.*c'"


def _length(node: dict[str, Any], parameters: Parameters) -> int | None:
    """Return how many characters a text can have at most, or None when that is unknown."""
    if node.get("class") in ("CONSTANT", "PARAMETER"):
        value = constant_of(node, parameters)
        return len(str(value)) if value is not None or node["class"] == "CONSTANT" else None
    if node.get("class") == "CAST":
        return _length(node["child"], parameters)
    name, arguments = name_of(node), arguments_of(node)
    if name == "chr":
        return 1
    if name in CUTTING and len(arguments) > CUTTING[name]:
        number = number_of(arguments[CUTTING[name]], parameters)
        return number if number is not None and number >= 0 else None
    if name in KEEPING or name in ("||", "concat"):
        lengths = [_length(one, parameters) for one in arguments]
        return None if None in lengths else sum(length for length in lengths if length is not None)
    return None


def _is_list(node: Any, parameters: Parameters) -> bool:
    """Tell whether what is searched is plainly a list or a map, as behind `IN`: no text is searched then."""
    return name_of(node) in MAKING_LISTS or isinstance(constant_of(node, parameters), list | tuple | dict)


def _is_distance(node: Any, parameters: Parameters) -> bool:
    number = number_of(node, parameters)
    return not node or (number is not None and abs(number) <= MAX_DISTANCE)


def _is_frame(node: Any, kind: str, parameters: Parameters) -> bool:
    """Tell whether a frame ends at the same distance for each row, and at none that is negative."""
    number = number_of(node, parameters)
    if number is not None:
        return 0 <= number <= MAX_DISTANCE
    parts = [part for part in objects(node) if "class" in part]
    return kind.endswith("_RANGE") and all(_is_constant(part) for part in parts)


def _is_constant(part: dict[str, Any]) -> bool:
    if part["class"] == "FUNCTION":
        return name_of(part).startswith("to_") or name_of(part) in IN_INTERVALS
    return part["class"] in ("CONSTANT", "PARAMETER", "CAST", "TYPE")
