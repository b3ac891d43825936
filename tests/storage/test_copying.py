"""Large files are copied and deleted piece by piece."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage.copying import copy_file, delete_file


@pytest.mark.parametrize("size", [0, 1, 10, 35])
def test_a_copy_is_the_same_and_its_owner_s_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("storage.copying.PIECE_BYTES", 10)
    content = os.urandom(size)
    (tmp_path / "one").write_bytes(content)
    copy_file(str(tmp_path / "one"), str(tmp_path / "other"), rests=True)
    assert (tmp_path / "other").read_bytes() == content
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o600


def test_a_copy_is_on_the_disk_after_each_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.copying.PIECE_BYTES", 10)
    sizes: list[int] = []
    monkeypatch.setattr("os.fdatasync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    (tmp_path / "one").write_bytes(bytes(25))
    copy_file(str(tmp_path / "one"), str(tmp_path / "other"))
    assert sizes == [10, 20, 25]


def test_a_copy_replaces_nothing(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).write_text(name)
    with pytest.raises(FileExistsError):
        copy_file(str(tmp_path / "one"), str(tmp_path / "other"))
    assert (tmp_path / "other").read_text() == "other"


@pytest.mark.parametrize(("size", "steps"), [(0, []), (10, [0]), (25, [20, 10, 0])])
def test_a_file_is_deleted_from_its_end_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, steps: list[int]
) -> None:
    monkeypatch.setattr("storage.copying.DELETED_BYTES", 10)
    sizes: list[int] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    (tmp_path / "one").write_bytes(bytes(size))
    delete_file(tmp_path / "one")
    assert not (tmp_path / "one").exists()
    assert sizes == steps
