"""The pages: the only package that knows Panel. ``HostDetail`` shows one of them in a notebook."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dashboards.host_detail import HostDetail

__all__ = ["HostDetail", "assets_directory"]

HERE = Path(__file__).parent


def assets_directory() -> Path:
    """Return the directory that is served as ``/assets/``."""
    return HERE / "assets"


def __getattr__(name: str) -> Any:
    # Panel takes a second to load, which whoever wants a path need not wait for.
    if name == "HostDetail":
        return import_module("dashboards.host_detail").HostDetail
    raise AttributeError(name)
