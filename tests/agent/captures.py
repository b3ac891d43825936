"""Where the captured outputs lie: our own in tests/samples, the published ones outside the project."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "samples"
VERSIONS = ("zfs-2.1", "zfs-2.3")
MOMENTS = tuple(
    f"{version}/{folder.name}"
    for version in VERSIONS
    for folder in sorted((SAMPLES / version).iterdir())
    if (folder / "zpool_status.txt").exists()
)
# Licences differ, so these are run where they are found and never copied.
PUBLISHED = Path(os.environ.get("PROXMON_PUBLISHED_CORPUS", ROOT.parent / "shared" / "corpus" / "published"))


# A parser that hangs is found by its own test; a busy machine is no failure.
at_any_speed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def sample(moment: str, file: str) -> str:
    """Return a captured output; an absent one is a mistake in the test."""
    return (SAMPLES / moment / file).read_text()


def samples(*patterns: str) -> list[str]:
    """Return the captures that match, as `zfs-2.3/moment/file`."""
    found = {path for version in VERSIONS for pattern in patterns for path in (SAMPLES / version).glob(f"*/{pattern}")}
    return sorted(str(path.relative_to(SAMPLES)) for path in found)


def published(kind: str) -> list[dict[str, Any]]:
    """Return the index entries of one kind, none where the published corpus is not at hand."""
    index = PUBLISHED / "index.json"
    entries: list[dict[str, Any]] = json.loads(index.read_text()) if index.exists() else []
    return [entry for entry in entries if entry["kind"] == kind]


def walk(vdevs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the vdevs of a parsed tree in the order of the text."""
    for vdev in vdevs:
        yield vdev
        yield from walk(vdev["children"])
