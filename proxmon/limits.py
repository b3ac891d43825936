"""The kinds of values in a payload, each with the most that it may be: what is beyond is a mistake or an attack."""

from __future__ import annotations

from typing import Annotated, TypeVar

from msgspec import Meta

# Amounts are bytes or seconds. The store keeps them as BIGINT; some sources send 12.0, and a float is exact below 9 PB.
Amount = Annotated[float, Meta(ge=0, le=9.2e18)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Share = Annotated[float, Meta(ge=0)]
# A host with more of anything than this is a mistake or an attack, which everybody's pages would suffer from.
One = TypeVar("One")
Few = Annotated[tuple[One, ...], Meta(max_length=1_000)]
Many = Annotated[tuple[One, ...], Meta(max_length=10_000)]
VeryMany = Annotated[tuple[One, ...], Meta(max_length=30_000)]
# Characters; who sends more is an attacker. ZFS ends the name of a dataset at 255, Linux a path at 4,096.
WORD_CHARACTERS = 255
Word = Annotated[str, Meta(max_length=WORD_CHARACTERS)]  # a state, a type, a version, a time, an address
Name = Annotated[str, Meta(max_length=512)]
Path = Annotated[str, Meta(max_length=4_096)]
REASON_CHARACTERS = 4_000  # where reasons are cut: a program that fails may say very much
Unix = Annotated[float, Meta(ge=0, le=4_102_444_800)]  # the year 2100, so that it is a date in every program
