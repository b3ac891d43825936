"""Packs the agent into the one file that hosts run: a zip archive that Python starts, always the same bytes."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

PACKAGE = "proxmon_agent"
SHEBANG = b"#!/usr/bin/env python3\n"
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip archive can hold
START = f"""import sys

from {PACKAGE}.main import main

sys.exit(main())
"""


def build_archive() -> bytes:
    """Return the archive; names are sorted, dates fixed and nothing is compressed, so that no zlib can differ."""
    sources = {"__main__.py": START.encode()}
    for file in files("proxmon").joinpath("agent").iterdir():
        if file.name.endswith(".py") and file.name != "__main__.py":
            sources[f"{PACKAGE}/{file.name}"] = file.read_bytes()
    buffer = io.BytesIO()
    buffer.write(SHEBANG)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name in sorted(sources):
            entry = zipfile.ZipInfo(name, FIXED_DATE)
            entry.create_system = 3  # Unix, whatever built it
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, sources[name])
    return buffer.getvalue()


def archive_digest(data: bytes) -> str:
    """Return the SHA-256 of an archive as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def main() -> int:
    """Write the archive to the file that is named and its digest beside it, as `make agent` does."""
    if len(sys.argv) != 2:
        print("Usage: python -m proxmon.agent_bundle FILE", file=sys.stderr)
        return 2
    target, data = Path(sys.argv[1]), build_archive()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(0o755)
    digest = archive_digest(data)
    target.with_name(target.name + ".sha256").write_text(f"{digest}  {target.name}\n", encoding="utf-8")
    print(f"{target}: {len(data)} bytes, SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
