"""``make bench``: prints the table and writes it to ``build/bench.md`` and ``build/bench.json``."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from tools.bench.agent import measure_agent
from tools.bench.alerts import measure_alerts
from tools.bench.ingest import measure_ingest
from tools.bench.pages import a_browser, measure_latency, measure_opening
from tools.bench.table import Row, as_json, as_markdown


def main() -> None:
    """Measure everything, or the parts that are named."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="ingest, pages, agent or alerts (all of them)")
    parts = parser.parse_args().parts or ["ingest", "pages", "agent", "alerts"]
    rows: list[Row] = []
    if "ingest" in parts:
        rows += measure_ingest()
    if "pages" in parts:
        rows += measure_pages()
    if "agent" in parts:
        rows += measure_agent()
    if "alerts" in parts:
        rows += measure_alerts()
    report(rows)


def measure_pages() -> list[Row]:
    """Measure what an open page costs and how quickly it follows."""
    with a_browser() as browser:
        latency = [measure_latency(browser, pages, repetitions=10) for pages in (1, 10)]
        opening = [one for hosts in (10, 100, 1000) for one in measure_opening(browser, hosts, repetitions=3)]
    return latency + opening


def report(rows: list[Row]) -> None:
    """Print the table and keep it."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    text = f"Measured on {machine}.\n\n{as_markdown(rows)}\n"
    print(text)
    directory = Path("build")
    directory.mkdir(exist_ok=True)
    (directory / "bench.md").write_text(text, encoding="utf-8")
    (directory / "bench.json").write_text(as_json(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
