"""How long a server takes to end that is told to while agents send as fast as they can and pages are open."""

from __future__ import annotations

import time
from contextlib import ExitStack

from tests.load.senders import Sender, compare, deliver_until
from tests.servers import Server
from tools.bench.pages import a_browser, a_server, live_overview
from tools.bench.table import Row, row

PAGES, SENDERS, ROUNDS = 5, 8, 4
SAMPLES = 200  # that each sender has delivered before


def measure_stop() -> list[Row]:
    """Stop a busy server several times, start it again, and look whether anything acknowledged is missing."""
    with a_server(0) as (server, _), a_browser() as browser:
        senders, seconds, missing = [Sender(server, f"sender-{number}") for number in range(SENDERS)], [], []
        for sender in senders:
            assert sender.send().ok
        for _ in range(ROUNDS):
            with ExitStack() as opened:
                for _ in range(PAGES):
                    opened.callback(live_overview(browser, server, SENDERS).context.close)
                deliver_until(senders, SAMPLES, lambda: seconds.append(seconds_to_end(server)))
            server.start()
            for sender in senders:  # what was stored without being acknowledged is acknowledged now
                assert sender.send().ok
            missing.append(sum(compare(server, senders)))
    return [
        row(f"from SIGTERM to the end, {SENDERS} senders at full speed, {PAGES} pages open", seconds, "s", "≤ 5", 5),
        row("… samples that were missing afterwards, or there twice", missing, "samples", "0", 0),
    ]


def seconds_to_end(server: Server) -> float:
    """Stop the server; return how long it took."""
    began = time.perf_counter()
    server.stop()
    return time.perf_counter() - began
