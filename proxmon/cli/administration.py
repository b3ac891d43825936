"""Changes hosts and tokens from the command line: through the running server, or in the store when none runs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from proxmon.cli.in_store import StoreAdministration
from proxmon.cli.over_http import ServerAdministration, is_answering
from proxmon.cli.printing import Row
from proxmon.config import Settings
from proxmon.control import read_control


class Administration(Protocol):
    """What the command line can change and list."""

    def list_hosts(self) -> list[Row]:
        """List the hosts."""
        ...

    def add_host(self, name: str) -> Row:
        """Add a host; returns name and token."""
        ...

    def rotate_host(self, name: str) -> Row:
        """Replace a host's token; returns name and token."""
        ...

    def delete_host(self, name: str, *, keep_history: bool) -> None:
        """Delete a host."""

    def compact(self) -> Row:
        """Give the room of deleted rows back to the disk; returns sizes and seconds."""
        ...

    def back_up(self) -> Path:
        """Copy everything into a new directory inside the data directory; returns where. The caller moves it away."""
        ...

    def list_tokens(self) -> list[Row]:
        """List the API tokens."""
        ...

    def add_token(self, name: str, role: str) -> Row:
        """Add an API token; returns name and token."""
        ...

    def revoke_token(self, name: str) -> None:
        """Revoke an API token."""

    def list_channels(self) -> list[Row]:
        """List the channels."""
        ...

    def add_channel(self, wish: Row) -> Row:
        """Add a channel; returns what may be told of it."""
        ...

    def change_channel(self, name: str, wish: Row) -> Row:
        """Change what the wish names of a channel; returns what may be told of it."""
        ...

    def test_channel(self, name: str) -> None:
        """Send a test message. Raises DeliveryError."""

    def delete_channel(self, name: str) -> None:
        """Delete a channel."""

    def rehearse(self, text: str, days: float) -> Row:
        """Return what rules would have done on the stored samples."""
        ...


def open_administration(settings: Settings) -> Administration:
    """Return the way to the fleet of a data directory.

    Raises:
        StoreUnavailableError: no server answers, and the store cannot be opened either.
    """
    server = read_control(settings.data_directory)
    if server is not None and is_answering(server):
        return ServerAdministration(server)
    return StoreAdministration(settings)
