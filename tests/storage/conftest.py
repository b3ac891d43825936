"""A store that is closed after the test, and its file as an analyst reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from proxmon.credentials import TokenSecret
from proxmon.fleet import Host
from storage import Store
from tests.builders import DAY, NOW

SECRET = TokenSecret("lookup", "hash")
Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give the path of a data directory that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    """Give an open store without hosts."""
    opened = Store.open(directory)
    yield opened
    opened.close()


@pytest.fixture
def host(store: Store) -> Host:
    """Give the store's first host."""
    return store.add_host("pve-01", SECRET, NOW - DAY)


@pytest.fixture
def query(store: Store, directory: Path) -> Query:
    """Give a function that closes the store and asks its file."""

    def ask(sql: str) -> list[tuple[Any, ...]]:
        store.close()
        return ask_file(directory, sql)

    return ask


def ask_file(directory: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask the file of a store that is closed."""
    with duckdb.connect(str(directory / "fleet.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def failing(error: Exception) -> Callable[..., Any]:
    """Return a method that raises."""

    def method(*_: Any) -> Any:
        raise error

    return method
