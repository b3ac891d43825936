"""The docs name everything that a user can set, ask for or be judged by."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import cast

import pytest

from dashboards.pages import PAGES, PageSpec
from proxmon.board import Board
from proxmon.bus import Bus
from proxmon.cli import make_parser
from proxmon.config import RuleSettings, list_settings
from proxmon.costmetrics import CostCollector
from proxmon.costs import FileSize, Latency, ServerCost, StoreReport, TableSize, Usage
from proxmon.fleet import Fleet
from proxmon.handlers.routes import HANDLERS
from proxmon.ingest import Ingest, SampleStore
from proxmon.metrics import FleetCollector
from proxmon.status import RULE_NAMES
from tests.builders import NOW, a_snapshot
from tests.servers import Server

ROOT = Path(__file__).parent.parent
DOCS = {path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}


@pytest.mark.parametrize("setting", list_settings(), ids=lambda setting: setting[0])
def test_every_setting_is_explained(setting: tuple[str, str, str]) -> None:
    env, default, doc = setting
    assert f"| `{env}` | {f'`{default}`' if default else ''} | {doc} |" in DOCS["settings.md"]


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_is_explained(rule: str) -> None:
    assert f"| `{rule}` |" in DOCS["rules.md"]


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in HANDLERS])
def test_every_route_is_explained(pattern: str) -> None:
    assert pattern.replace("([^/]+)", "NAME").replace(r"(\d+)", "ID").replace("\\", "") in DOCS["api.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_every_page_is_explained(page: PageSpec) -> None:
    assert f"`{page.path.replace('{name}', 'NAME')}`" in DOCS["api.md"].partition("## Pages")[2]


def test_every_file_of_the_data_directory_is_explained(server: Server) -> None:
    files = {path.name for path in server.data.iterdir() if path.is_file()}
    assert {"cookie.key", "links.key", "server.json", "store.lock"} <= files
    assert {name for name in files if f"`{name}`" not in DOCS["store.md"]} == set()


@pytest.mark.parametrize("name", DOCS)
def test_every_link_between_the_docs_leads_somewhere(name: str) -> None:
    folder = ROOT if name == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", DOCS[name]):
        assert (folder / target).exists(), target


def test_conda_gets_what_pip_gets() -> None:
    lines = [line.strip() for line in (ROOT / "environment.yml").read_text().splitlines()]
    listed = [line for line in lines[lines.index("dependencies:") + 1 :] if line]
    assert listed == ["- python >=3.11", "- pip", "- pip:", "- -e .[dev]"]


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


def test_every_metric_is_explained() -> None:
    board = Board(Fleet([a_snapshot()]), RuleSettings(), Bus(), lambda: NOW)
    store = cast("SampleStore", None)
    fleet = FleetCollector(board, Ingest(store, board, lambda: NOW, 1), {}, [])
    table = TableSize("host_samples", 1, 1, days=14)
    report = StoreReport((table,), FileSize(1, 1, 1, 1), 0, None, is_compacting=False, last_compaction=None)
    usage = Usage(0, 1, 1, 1)
    costs = CostCollector(report, ServerCost(60, 1, 0.1, 1, 1, usage), Latency())
    for metric in [*fleet.collect(), *costs.collect()]:
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        assert f"`{name}`" in DOCS["metrics.md"]


def list_command_lines() -> list[str]:
    """List the calls of our program in the docs' shell blocks, without what is around them."""
    blocks = [block for text in DOCS.values() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
    lines = [re.sub(r"\s#.*", "", line) for block in blocks for line in block.splitlines()]
    pieces = [piece.strip() for line in lines for piece in re.split(r"&&|\||;|>", line)]
    found = [re.fullmatch(r"(?:.*-- )?(?:\S*/)?proxmon (.*)", piece) for piece in pieces]
    return [match[1] for match in found if match and not match[1].startswith("agent ")]


@pytest.mark.parametrize("line", list_command_lines())
def test_every_command_of_the_docs_is_one_that_the_program_takes(line: str) -> None:
    assert callable(make_parser().parse_args(shlex.split(line)).run)


def test_every_target_of_the_docs_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for text in DOCS.values() for name in re.findall(r"(?:^|`)make ([a-z0-9-]+)", text, re.MULTILINE)}
    assert {"run", "check"} <= named <= targets
