"""The docs name everything that a user can set, ask for or be judged by."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxmon.config import list_settings
from proxmon.handlers.routes import HANDLERS
from proxmon.status import RULE_NAMES

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
    assert pattern.replace("([^/]+)", "NAME").replace("\\", "") in DOCS["api.md"]


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
