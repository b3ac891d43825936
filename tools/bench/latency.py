"""From the moment at which a sample is sent to the changed card, in every page that is open.

The sample is acknowledged somewhere in between: how long a card takes after that is less than what is measured here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from statistics import median

from playwright.sync_api import Browser, Page

from tools.bench.pages import WATCH_CARD, a_server, live_overview
from tools.bench.senders import Sender, a_payload
from tools.bench.table import Row, row

HOSTS, REPETITIONS = 8, 16
GOAL_MS = 100
HEALTHS = ("DEGRADED", "ONLINE")
# The server's own tick may come at any moment of it.
QUIET_SECONDS = (0.3, 1.3)


def measure_latency(browser: Browser, pages: int) -> list[Row]:
    """Measure a change that comes alone, and one right after another host's, which a page is told of at once."""
    with a_server(HOSTS) as (server, hosts):
        opened = [live_overview(browser, server, HOSTS) for _ in range(pages)]
        (name, token), (_, other_token) = hosts[:2]
        host, other = Sender(server, token), Sender(server, other_token)
        host.send(a_payload())
        numbers = iter(range(1, 10**6))
        alone = latencies(opened, name, host, lambda: None)
        crowded = latencies(opened, name, host, lambda: other.send(a_payload(next(numbers))))
        for page in opened:
            page.context.close()
    return [*rows("", alone), *rows(", right after another host's", crowded)]


def latencies(pages: Sequence[Page], name: str, host: Sender, precede: Callable[[], object]) -> list[list[float]]:
    """Return for each repetition after how many milliseconds the card had changed in each page."""
    found: list[list[float]] = []
    for number in range(REPETITIONS):
        for page in pages:
            page.evaluate(WATCH_CARD, name)
        time.sleep(random.uniform(*QUIET_SECONDS))
        precede()
        sent_at = host.send(a_payload(health=HEALTHS[number % 2]))
        found.append([page.evaluate("window.changedAt") - sent_at for page in pages])
    return found


def rows(when: str, found: Sequence[Sequence[float]]) -> list[Row]:
    """Return the median page and the slowest one of each repetition; where one is open, it is both."""
    pages = len(found[0])
    kinds: dict[str, Callable[[Sequence[float]], float]] = {", the median page": median, ", the slowest page": max}
    what = f"sent → changed card{when}, {pages} open page{'s' if pages > 1 else ''}"
    return [
        row(what + words, [choose(one) for one in found], "ms", f"≤ {GOAL_MS}", GOAL_MS)
        for words, choose in (kinds if pages > 1 else {"": max}).items()
    ]
