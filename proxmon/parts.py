"""Finds the parts that this package must not import: the composition root and the store, which lie beside it.

They have plain names (`app`, `storage`, `dashboards`), which a file or folder where somebody works may have as well:
ours are loaded by their place, so that nothing of the current directory is ever taken for them.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from proxmon.errors import SettingsError

HOME = Path(__file__).absolute().parent.parent
PARTS = {
    "serve": ("app", "serve"),
    "panel": ("dashboards.panel_serve", "serve_files"),
    "store": ("storage", "Store"),
    "bundle": ("storage", "write_bundle"),
    "bundle request": ("storage", "BundleRequest"),
    "quack": ("storage", "QuackServer"),
}
# What makes a file our composition root, also a copy of it, an edited or an older one.
_ROOT_MARKS = tuple(re.compile(rf"^\s*from {name}\b", re.MULTILINE) for name in (r"dashboards\.server", "proxmon"))


def load_part(name: str) -> Any:
    """Return the part of that name, one of PARTS. Raises SettingsError when it is not ours."""
    module_name, attribute = PARTS[name]
    for own in ("storage",) if module_name == "storage" else ("storage", "dashboards", "app"):
        _load_own(own)
    return getattr(import_module(module_name), attribute)


def is_composition_root(path: Path) -> bool:
    """Tell whether a file is our app.py or a copy of it, whatever was changed in it since."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return all(mark.search(text) for mark in _ROOT_MARKS)


def _load_own(name: str) -> ModuleType:
    spec = PathFinder.find_spec(name, [str(HOME)])
    if spec is None or spec.loader is None or spec.origin is None:
        raise SettingsError(f"Install proxmon again: its part {name!r} is not in {HOME}.")
    if name == "app" and not is_composition_root(Path(spec.origin)):
        raise SettingsError(f"Install proxmon again: {spec.origin} is another program's file.")
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) != spec.origin:
            raise SettingsError(f"Start proxmon by itself: this program uses another module {name!r} already.")
        return known
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
