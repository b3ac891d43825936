"""A disk that is full or read-only in earnest: it is said, nothing is lost, and the server gets over it by itself."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import requests

from tests.counts import Count
from tests.load.disks import MIB, Disk, DiskServer, SmallDisk, SwitchableDisk, find_obstacle
from tests.load.senders import Sender, assert_each_is_there_once, count_all, deliver_until
from tests.waiting import wait_for

# What is left of a full disk: less than the server wants to be free, from nothing at all to nearly enough.
LEFT_BYTES = [0, MIB // 8, MIB, 2 * MIB, 3 * MIB, 4 * MIB, 6 * MIB, 8 * MIB, 10 * MIB, 12 * MIB, 14 * MIB, 0]
ROUNDS = len(LEFT_BYTES) if os.environ.get("PROXMON_SOAK") else 1
SENDERS, MOST_SAMPLES = 4, 100  # and how many each has acknowledged before the next trouble
SOON_SECONDS = 10  # what was seen of the disk holds for five
FULL, READ_ONLY = "make room|No space left", "Read-only file system"
D = TypeVar("D", bound=Disk)


@contextmanager
def a_server_on(disk: D) -> Generator[tuple[D, DiskServer]]:
    server = DiskServer(disk)
    try:
        server.start()
        yield disk, server
    finally:
        server.stop(signal.SIGKILL)
        disk.close()


@pytest.fixture
def on_small_disk(tmp_path: Path) -> Iterator[tuple[SmallDisk, DiskServer]]:
    """Give a disk that is soon full, and a server on it."""
    if obstacle := find_obstacle():
        pytest.skip(f"nothing can be mounted in a namespace here: {obstacle}")
    with a_server_on(SmallDisk(tmp_path / "data")) as both:
        yield both


@pytest.fixture
def on_switchable_disk(tmp_path: Path) -> Iterator[tuple[SwitchableDisk, DiskServer]]:
    """Give a disk that can be made read-only, and a server on it."""
    if obstacle := find_obstacle("/dev/fuse"):
        pytest.skip(f"FUSE cannot be mounted in a namespace here: {obstacle}")
    with a_server_on(SwitchableDisk(tmp_path / "data")) as both:
        yield both


def make_senders(server: DiskServer) -> list[Sender]:
    return [Sender(server, f"pve-{number}") for number in range(SENDERS)]


def make_trouble(senders: list[Sender], act: Callable[[], None], words: str) -> None:
    """Act while all deliver, and check that each is told to come back, in these words."""
    for answer in deliver_until(senders, random.randint(1, MOST_SAMPLES), act):
        assert answer is not None
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert re.search(words, answer.json()["error"])


def find_trouble(server: DiskServer) -> str:
    """Return what keeps samples from being stored, as /healthz tells it; empty when nothing does."""
    answer = server.ask("GET", "/healthz")
    if answer.status_code == 200:
        return ""
    assert answer.status_code == 503
    return answer.json()["error"]


def assert_the_rest_goes_on(server: DiskServer, browser: requests.Session) -> None:
    for session in (browser, server.log_in()):
        assert session.get(f"{server.url}/", timeout=30).status_code == 200
    # The store brings in what it acknowledged before it answers this, if it can.
    assert server.ask("POST", "/api/query", json={"sql": "SELECT 1"}).status_code in (200, 503)


def assert_is_over(server: DiskServer, senders: list[Sender]) -> None:
    """Check that the server says so before a sample comes, takes what it refused, and has everything once."""
    wait_for(lambda: not find_trouble(server), SOON_SECONDS)
    assert all(sender.send().ok for sender in senders)
    assert_each_is_there_once(server, senders)


def test_a_disk_that_is_full_is_said_and_got_over(on_small_disk: tuple[SmallDisk, DiskServer], count: Count) -> None:
    disk, server = on_small_disk
    senders, browser = make_senders(server), server.log_in()
    for left in LEFT_BYTES[:ROUNDS]:
        make_trouble(senders, partial(disk.fill, left), FULL)
        assert re.search(FULL, find_trouble(server))
        assert_the_rest_goes_on(server, browser)
        disk.make_room()
        assert_is_over(server, senders)
    assert "samples wait in the journal" in server.log()
    count_all(count, "a full disk", server, senders, times=ROUNDS)


def test_a_kill_while_the_disk_is_full_loses_nothing(on_small_disk: tuple[SmallDisk, DiskServer], count: Count) -> None:
    disk, server = on_small_disk
    senders = make_senders(server)
    for left in LEFT_BYTES[:ROUNDS]:
        make_trouble(senders, partial(disk.fill, left), FULL)
        server.stop(signal.SIGKILL)
        disk.make_room()
        server.start()
        assert_is_over(server, senders)
    count_all(count, "kill -9 while the disk is full", server, senders, kills=ROUNDS)


def test_a_disk_that_turns_read_only_in_mid_load_is_said_and_got_over(
    on_switchable_disk: tuple[SwitchableDisk, DiskServer], count: Count
) -> None:
    disk, server = on_switchable_disk
    senders, browser = make_senders(server), server.log_in()
    for _ in range(ROUNDS):
        make_trouble(senders, disk.make_read_only, READ_ONLY)
        assert re.search(READ_ONLY, find_trouble(server))
        assert_the_rest_goes_on(server, browser)
        disk.make_writable()
        assert_is_over(server, senders)
    count_all(count, "a disk that turns read-only", server, senders, times=ROUNDS)


def test_a_disk_that_turns_read_only_is_noticed_before_a_sample_comes(
    on_switchable_disk: tuple[SwitchableDisk, DiskServer], count: Count
) -> None:
    disk, server = on_switchable_disk
    senders: list[Sender] = []
    for _ in range(ROUNDS):
        disk.make_read_only()
        assert server.ask("POST", "/api/hosts", json={"name": "refused"}).status_code == 503
        # These are not the words of that refusal: the disk was tried since then.
        wait_for(lambda: re.search(f"could not be stored.*{READ_ONLY}", find_trouble(server)), SOON_SECONDS)
        disk.make_writable()
        wait_for(lambda: not find_trouble(server), SOON_SECONDS)
        senders = senders or make_senders(server)
        assert_is_over(server, senders)
    count_all(count, "a disk that turns read-only", server, senders, times=ROUNDS)
