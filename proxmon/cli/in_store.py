"""Administration in the store itself, while no server runs."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import msgspec

from proxmon.answers import host_answer, issued_answer, token_answer
from proxmon.cli.printing import Row
from proxmon.config import Settings
from proxmon.context import Monitor
from proxmon.errors import NotFoundError
from proxmon.parts import load_part
from proxmon.runtime import Store, make_monitor, utc_now

LOCK_SECONDS = 5.0  # another short command may have the store open just now

log = logging.getLogger(__name__)


class StoreAdministration:
    """Opens the store itself, for one operation at a time, while no server runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def list_hosts(self) -> list[Row]:
        """List the hosts; without a server all of them are judged as they are now."""
        if not self._has_store():
            return []
        now = utc_now()
        with self._open() as monitor:
            return [host_answer(judged, now) for judged in monitor.board.list_hosts()]

    def add_host(self, name: str) -> Row:
        """Add a host; returns name and token."""
        with self._open(makes=True) as monitor:
            return issued_answer(asyncio.run(monitor.hosts.add(name)))

    def rotate_host(self, name: str) -> Row:
        """Replace a host's token; returns name and token."""
        with self._open() as monitor:
            return issued_answer(asyncio.run(monitor.hosts.rotate(name)))

    def delete_host(self, name: str, *, keep_history: bool) -> None:
        """Delete a host."""
        with self._open() as monitor:
            asyncio.run(monitor.hosts.delete(name, keep_history=keep_history))

    def compact(self) -> Row:
        """Give the room of deleted rows back to the disk; returns sizes and seconds."""
        with self._open() as monitor:
            return asdict(asyncio.run(monitor.costs.compact()))

    def back_up(self) -> Path:
        """Copy everything; returns where."""
        with self._open() as monitor:
            return asyncio.run(monitor.back_up())

    def list_tokens(self) -> list[Row]:
        """List the API tokens."""
        if not self._has_store():
            return []
        with self._open() as monitor:
            return [token_answer(token) for token in monitor.tokens.list_tokens()]

    def add_token(self, name: str, role: str) -> Row:
        """Add an API token; returns name and token."""
        with self._open(makes=True) as monitor:
            return issued_answer(asyncio.run(monitor.tokens.add(name, role)))

    def revoke_token(self, name: str) -> None:
        """Revoke an API token."""
        with self._open() as monitor:
            asyncio.run(monitor.tokens.revoke(name))

    def list_channels(self) -> list[Row]:
        """List the channels."""
        if not self._has_store():
            return []
        with self._open() as monitor:
            return [monitor.dispatcher.answer(channel) for channel in monitor.channels.list_channels()]

    def add_channel(self, wish: Row) -> Row:
        """Add a channel; returns what may be told of it."""
        with self._open(makes=True) as monitor:
            return monitor.dispatcher.answer(asyncio.run(monitor.channels.add(wish)))

    def change_channel(self, name: str, wish: Row) -> Row:
        """Change what the wish names of a channel; returns what may be told of it."""
        with self._open() as monitor:
            return monitor.dispatcher.answer(asyncio.run(monitor.dispatcher.change(name, wish)))

    def test_channel(self, name: str) -> None:
        """Send a test message. Raises DeliveryError."""
        with self._open() as monitor:
            asyncio.run(monitor.dispatcher.test(name))

    def delete_channel(self, name: str) -> None:
        """Delete a channel."""
        with self._open() as monitor:
            asyncio.run(monitor.dispatcher.delete(name))

    def rehearse(self, text: str, days: float) -> Row:
        """Return what rules would have done on the stored samples."""
        with self._open() as monitor:
            told = asyncio.run(monitor.rules.rehearse(text, days))
        return json.loads(msgspec.json.encode(told))

    def _has_store(self) -> bool:
        """Tell whether there is a store, and say so where there is none."""
        if found := load_part("store").is_in(self._settings.data_directory):
            return found
        log.warning("there is no store in %s yet", self._settings.data_directory)
        return False

    @contextmanager
    def _open(self, *, makes: bool = False) -> Generator[Monitor]:
        """Open the store; only what adds something makes one."""
        directory = self._settings.data_directory
        if not makes and not load_part("store").is_in(directory):
            raise NotFoundError(f"Name the data directory with --data or PROXMON_DATA: {directory} has no store.")
        with private_files():
            store: Store = load_part("store").open(directory, patience_seconds=LOCK_SECONDS)
            try:
                yield make_monitor(store, self._settings)
            finally:
                store.close()


@contextmanager
def private_files() -> Generator[None]:
    """Let whatever this process makes meanwhile be readable by its owner alone, such as DuckDB's log."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
