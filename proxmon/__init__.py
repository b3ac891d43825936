"""A monitor for Proxmox VE hosts with ZFS; in a notebook, ``proxmon.connect()`` opens its store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxmon.version import __version__

if TYPE_CHECKING:
    from proxmon.client import Fleet


def connect(where: Any = None, token: str | None = None) -> Fleet:
    """Connect to a fleet: the local data directory, another one, a bundle, or a server's URL with an API token."""
    from proxmon.client import connect as connect_client  # noqa: PLC0415 - the agent must not load pandas

    return connect_client(where, token)


__all__ = ["__version__", "connect"]
