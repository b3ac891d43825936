"""The command `proxmon agent parse KIND FILE`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxmon.agent.parse import KINDS, ParseError, main, parse
from tests.agent.captures import MOMENTS, SAMPLES, sample

MOMENT = "zfs-2.3/02_rpool_mirror_scrubbed"
FILES = {
    "zpool-status": ("zpool_status.txt", "pools", 1),
    "zpool-status-json": ("zpool_status_j.json", "pools", 1),
    "zpool-list": ("zpool_list_Hpo.txt", "pools", 1),
    "zpool-list-json": ("zpool_list_j.json", "pools", 1),
    "zfs-list": ("zfs_list_Hp.txt", "datasets", 9),
    "zfs-list-json": ("zfs_list_j.json", "datasets", 9),
    "zfs-snapshots": ("zfs_list_snap_Hp.txt", "snapshots", 20),
    "zfs-snapshots-json": ("zfs_list_snap_j.json", "snapshots", 20),
}


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(argv)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_prints_its_section(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    file, section, count = FILES[kind]
    status, out, err = run(capsys, kind, str(SAMPLES / MOMENT / file))
    (records,) = json.loads(out).values()
    assert (status, err, list(json.loads(out)), len(records)) == (0, "", [section], count)
    assert out.startswith('{\n  "')
    assert json.loads(out) == parse(kind, sample(MOMENT, file))


def test_standard_input_is_a_dash(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"  pool: t\xff\n state: ONLINE\n"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    status, out, _ = run(capsys, "zpool-status", "-")
    assert status == 0
    assert json.loads(out)["pools"][0]["name"] == "t\ufffd"


def test_an_unknown_kind_lists_the_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "zpool-iostat", "-")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "'zpool-iostat'" in err
    assert all(kind in err for kind in KINDS)


@pytest.mark.parametrize("argv", [(), ("zpool-status",), ("zpool-status", "a", "b")])
def test_other_arguments_get_the_usage(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, *argv)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("Usage: proxmon agent parse KIND FILE")


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, err = run(capsys, "zpool-status", str(tmp_path / "absent"))
    assert (status, out) == (2, "")
    assert err == f"Cannot read {tmp_path / 'absent'}: No such file or directory.\n"


def test_invalid_json_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    file.write_text("no pools available")
    status, out, err = run(capsys, "zpool-status-json", str(file))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"Cannot parse {file}: This is not valid JSON")


def test_the_empty_output_of_a_host_without_pools_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    file = SAMPLES / "zfs-2.3/00_no_pools/zpool_list_j.json"
    assert file.read_text().strip() == ""
    assert run(capsys, "zpool-list-json", str(file))[:2] == (0, '{\n  "pools": []\n}\n')


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.endswith("-json")])
@pytest.mark.parametrize(
    "text", ["", "\x00\x01", "\n" * 1000, "\t" * 1000, "{}", "pool:", " state:\nconfig:\n\terrors:"]
)
def test_no_text_is_an_error(kind: str, text: str) -> None:
    (records,) = parse(kind, text).values()
    assert isinstance(records, list)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.endswith("-json")])
@pytest.mark.parametrize(
    "document", [{}, {"pools": None, "datasets": []}, {"pools": {"a": 1}, "datasets": {"a": None}}]
)
def test_json_without_pools_or_datasets_is_empty(kind: str, document: dict[str, Any]) -> None:
    (records,) = parse(kind, json.dumps(document)).values()
    assert records == []


def scrub_end(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    status, out, _ = run(capsys, *argv)
    assert status == 0
    return json.loads(out)["pools"][0]["last_scrub_end"]


@pytest.mark.parametrize(
    "moment", [moment for moment in MOMENTS if (SAMPLES / moment / "zpool_status_j.json").exists()]
)
def test_text_and_json_of_a_moment_print_the_same_dates(moment: str, capsys: pytest.CaptureFixture[str]) -> None:
    def dates(kind: str, file: str) -> list[Any]:
        _, out, _ = run(capsys, kind, str(SAMPLES / moment / file))
        pools = json.loads(out)["pools"]
        scans = [scan for pool in pools for scan in (pool["scan"], *pool["rebuilds"]) if scan]
        return [pool["last_scrub_end"] for pool in pools] + [(scan["start_at"], scan["end_at"]) for scan in scans]

    text = dates("zpool-status", "zpool_status.txt")
    assert text == dates("zpool-status-json", "zpool_status_j.json")
    assert text == dates("zpool-status-json", "zpool_status_j_int.json")


def test_a_saved_output_can_be_of_another_zone(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(SAMPLES / MOMENT / "zpool_status.txt")
    assert scrub_end(capsys, "zpool-status", file) == "2026-11-22T21:25:22Z"
    assert scrub_end(capsys, "zpool-status", file, "--zone", "Europe/Berlin") == "2026-11-22T20:25:22Z"
    assert scrub_end(capsys, "zpool-status", "--zone", "local", file).endswith("Z")


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../etc/passwd", ""])
def test_a_zone_that_is_none_is_said(zone: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "zpool-status", "-", "--zone", zone)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "Europe/Berlin" in err


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ParseError, match="There is no kind 'x'"):
        parse("x", "")
