"""Show what the agent makes of a saved output: `proxmon agent parse KIND FILE`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .zfs_json import ParseError
from .zfs_list import parse_snapshots, parse_snapshots_json, parse_zfs_list, parse_zfs_list_json
from .zpool_list import parse_zpool_list, parse_zpool_list_json
from .zpool_status import parse_zpool_status
from .zpool_status_json import parse_zpool_status_json

__all__ = ["KINDS", "ParseError", "main", "parse"]

KINDS: dict[str, tuple[str, Callable[[str], list[dict[str, Any]]]]] = {
    "zpool-status": ("pools", parse_zpool_status),
    "zpool-status-json": ("pools", parse_zpool_status_json),
    "zpool-list": ("pools", parse_zpool_list),
    "zpool-list-json": ("pools", parse_zpool_list_json),
    "zfs-list": ("datasets", parse_zfs_list),
    "zfs-list-json": ("datasets", parse_zfs_list_json),
    "zfs-snapshots": ("snapshots", parse_snapshots),
    "zfs-snapshots-json": ("snapshots", parse_snapshots_json),
}


def parse(kind: str, text: str) -> dict[str, Any]:
    """Return what the output says, under `pools`, `datasets` or `snapshots`.

    Raises:
        ParseError: there is no such kind, or the text of a JSON kind is no JSON object.
    """
    if kind not in KINDS:
        raise ParseError(f"There is no kind {kind!r}; choose one of {', '.join(KINDS)}.")
    section, parser = KINDS[kind]
    return {section: parser(text)}


def main(argv: Sequence[str]) -> int:
    """Print the output in a file (`-` is standard input) as JSON and return the exit status: 2 if it is unreadable."""
    if len(argv) != 2:
        return _refuse(f"Usage: proxmon agent parse KIND FILE, where KIND is one of {', '.join(KINDS)}.")
    kind, file = argv
    try:
        text = _read(file) if kind in KINDS else ""
        result = parse(kind, text)
    except OSError as error:
        return _refuse(f"Cannot read {file}: {error.strerror}.")
    except ParseError as error:
        return _refuse(str(error) if kind not in KINDS else f"Cannot parse {_name(file)}: {error}")
    print(json.dumps(result, indent=2))
    return 0


def _read(file: str) -> str:
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    return content.decode("utf-8", errors="replace")


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
