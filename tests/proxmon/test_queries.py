"""Queries of analysts: a few at a time, and none for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from proxmon import queries
from proxmon.errors import OverloadedError, QueryError
from proxmon.queries import MOST_AT_ONCE, Parameters, Queries


class Endless:
    """A store whose answers never end."""

    def __init__(self) -> None:
        self.open = 0

    def query(self, sql: str, parameters: Parameters, seconds: float) -> Endless:
        self.open += 1
        return self

    def next_chunk(self) -> bytes:
        return b"rows"

    def close(self) -> None:
        self.open -= 1


async def read(chunks: AsyncGenerator[bytes, None]) -> None:
    async for _ in chunks:
        pass


def test_an_answer_that_is_read_ever_so_slowly_ends_and_gives_up_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 100))
    monkeypatch.setattr(queries.time, "monotonic", lambda: next(now))
    store = Endless()
    with pytest.raises(QueryError, match="faster"):
        asyncio.run(read(Queries(store, seconds=30).stream("SELECT 1", None)))
    assert store.open == 0


def test_more_than_a_few_at_once_are_told_to_wait() -> None:
    async def ask() -> None:
        running = Queries(Endless(), seconds=30)
        kept = [running.stream("SELECT 1", None) for _ in range(MOST_AT_ONCE)]
        for chunks in kept:
            await anext(chunks)
        with pytest.raises(OverloadedError):
            await anext(running.stream("SELECT 1", None))
        await kept[0].aclose()
        assert await anext(running.stream("SELECT 1", None)) == b"rows"

    asyncio.run(ask())
