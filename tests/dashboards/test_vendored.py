"""Files of others stay as their makers published them, and each is named with its licence."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator

import pytest

from dashboards import assets_directory

VENDOR = assets_directory() / "vendor"
VENDORED = tomllib.loads((VENDOR / "vendored.toml").read_text(encoding="utf-8"))


def list_files() -> Iterator[tuple[str, str]]:
    """Give each file with its hash."""
    for project in VENDORED.values():
        for file, upstream in project["files"].items():
            yield file, upstream["sha256"]


@pytest.mark.parametrize(("file", "sha256"), list(list_files()))
def test_a_vendored_file_is_what_its_maker_published(file: str, sha256: str) -> None:
    assert hashlib.sha256((VENDOR / file).read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("project", list(VENDORED.values()), ids=list(VENDORED))
def test_each_project_says_where_it_is_from_and_brings_its_licence(project: dict[str, str]) -> None:
    assert project["package"].endswith(f"@{project['version']}")
    assert any(file.endswith(".txt") for file in project["files"]), project["licence"]


def test_no_file_of_others_is_left_unnamed() -> None:
    assert {path.name for path in VENDOR.iterdir()} == {"vendored.toml", *dict(list_files())}


def test_the_library_s_own_header_agrees() -> None:
    header = (VENDOR / "uplot.js").read_text(encoding="utf-8")[:400]
    assert f"(v{VENDORED['uplot']['version']})" in header
