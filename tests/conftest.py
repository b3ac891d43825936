"""Fixtures for what must be closed: servers and browsers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import WAYS, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give the server, started by ``proxmon serve``."""
    running = Server(tmp_path_factory.mktemp("server") / "data").start()
    yield running
    running.stop()


@pytest.fixture(scope="session", params=WAYS)
def each_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give the server, started in each of the two ways."""
    if request.param == WAYS[0]:
        yield request.getfixturevalue("server")
        return
    running = Server(tmp_path_factory.mktemp("panel") / "data", way=request.param).start()
    yield running
    running.stop()
