"""Fixtures for what must be closed, and how long the tests search: `make soak` sets PROXMON_SOAK."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from proxmon.config import RetentionSettings
from tests.counts import COUNTED, Count, generated, table
from tests.pasts import WrittenPast, a_past
from tests.servers import WAYS, Server

settings.register_profile("short", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", parent=settings.get_profile("short"), max_examples=5_000)
settings.load_profile("soak" if os.environ.get("PROXMON_SOAK") else "short")


LIMITS = {one: resource.getrlimit(one) for one in (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Undo what a query that is still running in this process means by it: a browser would inherit its limit."""
    for one, limits in LIMITS.items():
        resource.setrlimit(one, limits)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Note how many inputs Hypothesis made for a test; its plugin leaves the text at the test."""
    if told := generated(getattr(item, "hypothesis_statistics", "")):
        item.user_properties.append((COUNTED, told))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what the tests counted; the report of a test's end has all that was noted in it."""
    reports = [one for some in terminalreporter.stats.values() for one in some]
    ends = [one for one in reports if getattr(one, "when", "") == "teardown"]
    if lines := table(one for end in ends for one in end.user_properties):
        terminalreporter.section("counted")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Count:
    """Give what counts something for the table at the run's end."""

    def count(subject: str, **numbers: int) -> None:
        record_property(COUNTED, (subject, numbers))

    return count


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


@pytest.fixture(scope="session")
def small_past(tmp_path_factory: pytest.TempPathFactory) -> WrittenPast:
    """Give three days of two hosts in a data directory that tests copy before they write to it."""
    return a_past(tmp_path_factory.mktemp("small-past") / "data")


@pytest.fixture(scope="session")
def full_past(tmp_path_factory: pytest.TempPathFactory) -> WrittenPast:
    """Give thirty days of eight hosts, from which the server deleted what is too old; making it takes a while."""
    directory = tmp_path_factory.mktemp("full-past") / "data"
    return a_past(directory, hosts=8, days=30, retention=RetentionSettings())
