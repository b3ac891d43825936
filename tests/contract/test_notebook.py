"""The notebook runs from top to bottom on the demo's history, without a screen and without the internet."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.pasts import WrittenPast

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "fleet-report.ipynb"
RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=300).execute()
nbformat.write(notebook, sys.argv[2])
"""


@pytest.fixture(scope="module")
def outputs(small_past: WrittenPast, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Give what the cells put out."""
    folder = tmp_path_factory.mktemp("notebook")
    environment = os.environ | {"PROXMON_DATA": str(small_past.copied_to(folder / "data"))}
    command = [sys.executable, "-c", RUN, str(NOTEBOOK), str(folder / "run.ipynb")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=400)
    assert ended.returncode == 0, ended.stderr
    run = nbformat.read(folder / "run.ipynb", 4)
    return [output for cell in run.cells if cell.cell_type == "code" for output in cell.outputs]


def test_no_cell_fails_or_warns(outputs: list[dict[str, Any]]) -> None:
    assert [one for one in outputs if one["output_type"] in ("error", "stream")] == []


def test_tables_and_plots_are_there(outputs: list[dict[str, Any]]) -> None:
    shown = [one["data"] for one in outputs if "data" in one]
    tables = "".join(str(one.get("text/html", "")) for one in shown)
    assert "pve-fra-01" in tables
    assert "percent_a_day" in tables
    assert sum("application/vnd.holoviews_exec.v0+json" in one for one in shown) >= 2


def test_the_host_s_page_is_embedded_and_loads_nothing(outputs: list[dict[str, Any]]) -> None:
    page = str(outputs[-1]["data"]["text/html"])
    assert "data-section" in page
    assert "Findings" in page
    assert "cdn." not in page
    assert not re.search(r"(src|href|url|import)\W{1,4}https?:", page)


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
