"""Finds the parts that this package must not import: the composition root and the store, through entry points."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from proxmon.errors import SettingsError

GROUP = "proxmon.parts"


def load_part(name: str) -> Any:
    """Return the part of that name (``serve`` or ``store``). Raises SettingsError when proxmon is not installed."""
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise SettingsError("Install proxmon before running it: pip install -e .")
    return next(iter(found)).load()
