"""The real server is killed in mid-load, by agents that keep their connections: each sample is there exactly once."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.counts import Count
from tests.load.senders import Sender, count_all, deliver_until
from tests.servers import Server

KILLS = 200 if os.environ.get("PROXMON_SOAK") else 3
SENDERS = 4
MOST_SAMPLES = 100  # of each sender between two kills


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Give a server of its own."""
    running = Server(tmp_path / "data").start()
    yield running
    running.stop()


def is_on_the_short_way(sender: Sender) -> bool:
    """Tell whether the server has taken the connection over from Tornado, whose handler compresses."""
    return "Vary" not in sender.send().headers


def test_samples_are_there_once_however_often_the_server_is_killed(own_server: Server, count: Count) -> None:
    senders = [Sender(own_server, f"pve-{number}") for number in range(SENDERS)]
    assert all(sender.send().ok for sender in senders)
    for _ in range(KILLS):
        assert all(is_on_the_short_way(sender) for sender in senders)
        kill = partial(own_server.stop, signal.SIGKILL)
        assert deliver_until(senders, random.randint(1, MOST_SAMPLES), kill) == [None] * SENDERS
        own_server.start()
        assert all(sender.send().ok for sender in senders)
    count_all(count, "kill -9 of the server under load", own_server, senders, kills=KILLS)
