"""Show what the agent makes of a saved output: `proxmon agent parse KIND FILE`."""

from __future__ import annotations

import codecs
import json
import re
import sys
import zoneinfo
from collections.abc import Callable, Sequence
from datetime import timezone, tzinfo
from pathlib import Path
from typing import Any, Optional

from .units import LocalZone
from .zfs_json import ParseError
from .zfs_list import parse_snapshots, parse_snapshots_json, parse_zfs_list, parse_zfs_list_json
from .zpool_list import parse_zpool_list, parse_zpool_list_json
from .zpool_status import parse_zpool_status
from .zpool_status_json import parse_zpool_status_json

__all__ = ["KINDS", "ParseError", "main", "parse"]

_CITED = re.compile(r"^[ \t]*(?:>[ ]?)+", re.MULTILINE)
Parser = Callable[[str, Optional[tzinfo]], list[dict[str, Any]]]
KINDS: dict[str, tuple[str, Parser]] = {
    "zpool-status": ("pools", parse_zpool_status),
    "zpool-status-json": ("pools", parse_zpool_status_json),
    "zpool-list": ("pools", lambda text, tz: parse_zpool_list(text)),
    "zpool-list-json": ("pools", lambda text, tz: parse_zpool_list_json(text)),
    "zfs-list": ("datasets", parse_zfs_list),
    "zfs-list-json": ("datasets", parse_zfs_list_json),
    "zfs-snapshots": ("snapshots", parse_snapshots),
    "zfs-snapshots-json": ("snapshots", parse_snapshots_json),
}


def parse(kind: str, text: str, tz: tzinfo | None = timezone.utc) -> dict[str, Any]:
    """Return what the output says, under `pools`, `datasets` or `snapshots`.

    A date without a zone is read as of `tz`. The agent asks all programs for UTC, so that this is what it makes of it,
    and text and JSON of one moment say the same.

    Raises:
        ParseError: there is no such kind, or the text of a JSON kind is no JSON object.
    """
    if kind not in KINDS:
        raise ParseError(f"There is no kind {kind!r}; choose one of {', '.join(KINDS)}.")
    section, parser = KINDS[kind]
    return {section: parser(text if kind.endswith("-json") else _undo_copying(text), tz)}


USAGE = (
    f"Usage: proxmon agent parse KIND FILE [--zone ZONE], where KIND is one of {', '.join(KINDS)}, and ZONE is that of "
    "the dates in it, such as Europe/Berlin or `local` (default UTC, which the agent asks for)."
)


def main(argv: Sequence[str]) -> int:
    """Print the output in a file (`-` is standard input) as JSON and return the exit status: 2 if it is unreadable."""
    words, zone = _split_zone(list(argv))
    if len(words) != 2:
        return _refuse(USAGE)
    kind, file = words
    tz = _find_zone(zone)
    if tz is None:
        return _refuse(f"There is no zone {zone!r} on this machine; name one such as Europe/Berlin, local or UTC.")
    try:
        text = _read(file) if kind in KINDS else ""
        result = parse(kind, text, tz)
    except OSError as error:
        return _refuse(f"Cannot read {file}: {error.strerror}.")
    except ParseError as error:
        return _refuse(str(error) if kind not in KINDS else f"Cannot parse {_name(file)}: {error}")
    print(json.dumps(result, indent=2))
    return 0


def _split_zone(words: list[str]) -> tuple[list[str], str]:
    if "--zone" not in words[:-1]:
        return words, "UTC"
    at = words.index("--zone")
    return words[:at] + words[at + 2 :], words[at + 1]


def _find_zone(name: str) -> tzinfo | None:
    if name in ("UTC", "local"):
        return timezone.utc if name == "UTC" else LocalZone()
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _read(file: str) -> str:
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # `>` in Windows PowerShell
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig", errors="replace")


def _undo_copying(text: str) -> str:
    """Take out what mails and web pages put into a text: non-breaking blanks, and the `>` of a citation."""
    return _CITED.sub("", text.replace("\xa0", " "))


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
