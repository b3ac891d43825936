"""``make bench``: prints the table and writes it to ``build/bench.md`` and ``.json``; of parts, ``bench-PART.md``."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.bench.agent import measure_agent
from tools.bench.alerts import measure_alerts
from tools.bench.disk import measure_disk
from tools.bench.history import measure_history
from tools.bench.ingest import measure_ingest
from tools.bench.latency import measure_latency
from tools.bench.opening import measure_opening
from tools.bench.pages import a_browser
from tools.bench.search import measure_search
from tools.bench.shares import measure_shares
from tools.bench.steady import measure_steady
from tools.bench.stopping import measure_stop
from tools.bench.table import Row, as_json, as_markdown


def main() -> None:
    """Measure everything, or the parts that are named."""
    parts = parse_parts()
    rows, name = list[Row](), "-".join(("bench", *parts))
    for part in parts or PARTS:
        rows += PARTS[part]()
        report(rows, name)
    print(report(rows, name))


def parse_parts(argv: Sequence[str] | None = None) -> list[str]:
    """Return the parts that are named; nothing stands for all of them."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    known = ", ".join(PARTS)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{known} (all of them)")
    parts: list[str] = parser.parse_args(argv).parts
    # With `choices` argparse, in Python 3.11, refuses the empty list as well.
    if unknown := sorted(set(parts).difference(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}: choose from {known}")
    return parts


def measure_pages() -> list[Row]:
    """Measure what an open page costs and how quickly it follows."""
    with a_browser() as browser:
        latency = [one for pages in (1, 10, 50) for one in measure_latency(browser, pages)]
        opening = [one for hosts in (10, 100, 1000) for one in measure_opening(browser, hosts)]
        return [*latency, *opening, *measure_search(browser)]


PARTS: dict[str, Callable[[], list[Row]]] = {
    "ingest": measure_ingest,
    "disk": measure_disk,
    "shares": measure_shares,
    "history": measure_history,
    "steady": measure_steady,
    "pages": measure_pages,
    "stop": measure_stop,
    "agent": measure_agent,
    "alerts": measure_alerts,
}


def report(rows: list[Row], name: str) -> str:
    """Keep the table as it is so far in files of that name, and return it."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    text = f"Measured on {machine}.\n\n{as_markdown(rows)}\n"
    directory = Path("build")
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.md").write_text(text, encoding="utf-8")
    (directory / f"{name}.json").write_text(as_json(rows) + "\n", encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
