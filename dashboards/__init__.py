"""The pages: the only package besides app.py that knows Panel."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def assets_directory() -> Path:
    """Return the directory that is served as ``/assets/``."""
    return HERE / "assets"
