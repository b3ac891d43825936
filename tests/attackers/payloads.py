"""Payloads with everything in them that the server knows of, also what is added to its types later."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import msgspec.inspect as inspect

from proxmon.payload import PAYLOAD_TYPES, Tier
from tests.builders import NOW, iso

SELF_REPORT = {
    "version": "0.1.0",
    "cpu_seconds": 1.5,
    "peak_rss_bytes": 2**24,
    "spool": {"messages": 2, "bytes": 4096},
    "sections": {"zfs_pools": 0.2},
    "stuck": ["zpool status"],
}


def a_whole_payload(tier: Tier) -> dict[str, Any]:
    """Return a payload with all fields but ``error``, and in a fast one with what an agent says of itself."""
    payload = example(inspect.type_info(PAYLOAD_TYPES[tier]))
    return payload | ({"agent": deepcopy(SELF_REPORT)} if tier is Tier.FAST else {})


def example(kind: inspect.Type, name: str = "", within: tuple[type, ...] = ()) -> Any:
    """Return a value of a type; ``within`` are the structures around it, which do not hold themselves again."""
    match kind:
        case inspect.StructType(cls=cls, fields=fields):
            known = [one for one in fields if one.name != "error" and not is_within(one.type, (*within, cls))]
            return {one.encode_name: example(one.type, one.encode_name, (*within, cls)) for one in known}
        case inspect.UnionType(types=types):
            return example(types[0], name, within)
        case inspect.VarTupleType(item_type=item):
            return [example(item, name, within)]
        case inspect.StrType():
            return iso(NOW) if name.endswith(("_at", "_end")) else f"a {name}"
        case _:
            return {inspect.BoolType: True, inspect.IntType: 1, inspect.FloatType: 1.5}[type(kind)]


def is_within(kind: inspect.Type, within: tuple[type, ...]) -> bool:
    """Tell whether a type is a list of one of these structures."""
    match kind:
        case inspect.UnionType(types=types):
            return is_within(types[0], within)
        case inspect.VarTupleType(item_type=inspect.StructType(cls=cls)):
            return cls in within
        case _:
            return False
