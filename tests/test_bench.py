"""The bench takes the parts that there are, and keeps the whole table when one of them is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench.__main__ import PARTS, main, parse_parts
from tools.bench.table import row


def test_a_part_that_there_is_not_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_parts(["disk", "foo"])
    assert "no part foo: choose from ingest, disk" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "files"),
    [("", {"bench.md", "bench.json"}), ("disk steady", {"bench-disk-steady.md", "bench-disk-steady.json"})],
)
def test_the_table_of_parts_has_files_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, files: set[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["bench", *words.split()])
    for part in PARTS:
        monkeypatch.setitem(PARTS, part, lambda part=part: [row(part, [1.0], "s")])
    main()
    assert {path.name for path in (tmp_path / "build").iterdir()} == files
    text = next((tmp_path / "build").glob("*.md")).read_text()
    assert [part for part in PARTS if f"| {part} |" in text] == (words.split() or list(PARTS))
