"""Keeps out of the server's memory what it never uses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Refusing(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        raise ModuleNotFoundError(f"The server does without {spec.name}.", name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Never called."""


class _WithoutPandas(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, _Refusing()) if fullname == "pandas" else None


def spare_pandas() -> None:
    """Let nothing in this process load pandas from now on; nothing happens where it is loaded already.

    DuckDB and Arrow load it with the first value that they are given, to ask whether that is one of pandas': 46 MB
    that stay, and half a second. Both do without it where it is not installed, and so do Panel and Bokeh for our pages.
    """
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _WithoutPandas())
