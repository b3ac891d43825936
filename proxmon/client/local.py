"""Answers on this machine: of a data directory's server while one runs, else of its store, or of a copy of one."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from proxmon.answers import guest_answer, host_answer
from proxmon.board import PastBoard
from proxmon.client.frames import Chunks, read_batches
from proxmon.client.server import ServerSource
from proxmon.client.sources import Batches, Parameters, Rows, Source
from proxmon.config import Settings
from proxmon.control import read_control
from proxmon.errors import NotFoundError
from proxmon.guests import search_guests
from proxmon.parts import load_part
from proxmon.rulebook.file import load_book
from proxmon.runtime import Store, utc_now
from proxmon.samples import check_over

PATIENCE_SECONDS = 5.0  # while another question is answered, or a short command runs


class StoreSource:
    """Opens the store itself, for one question at a time, so that a server may start in between."""

    _held: Store | None = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def list_hosts(self, at: datetime | None) -> Rows:
        """List the judged hosts."""
        board = self._board(at)
        return [host_answer(judged, board.at) for judged in board.list_hosts()]

    def get_host(self, name: str, at: datetime | None) -> dict[str, Any]:
        """Return one judged host."""
        board = self._board(at)
        judged = board.find_named(name)
        if judged is None:
            raise NotFoundError(f"Choose one of the hosts there are: {name[:64]} is none.")
        return host_answer(judged, board.at)

    def list_guests(self, query: str, at: datetime | None) -> Rows:
        """List the guests that match."""
        return [guest_answer(guest) for guest in search_guests(self._board(at).list_hosts(), query)]

    def read(self, sql: str, parameters: Parameters) -> Batches:
        """Give the batches of a query."""
        with self._store() as store:
            yield from read_batches(Chunks(_chunks(store, sql, parameters, self._settings.query_seconds)))

    def _board(self, at: datetime | None) -> PastBoard:
        if at:
            check_over(at, utc_now())
        with self._store() as store:
            snapshot = store.snapshot(at) if at else replace(store.snapshot(), at=utc_now())
            return PastBoard(snapshot, load_book(self._settings))

    def now(self) -> datetime:
        """Return the present."""
        return utc_now()

    @contextmanager
    def hold(self) -> Generator[None, None, None]:
        """Keep the store open; no server can start meanwhile."""
        with self._store() as store:
            self._held = store
            try:
                yield
            finally:
                self._held = None

    @contextmanager
    def _store(self) -> Generator[Store, None, None]:
        if self._held is not None:
            yield self._held
            return
        store = self._open()
        try:
            yield store
        finally:
            store.close()

    def _open(self) -> Store:
        directory = self._settings.data_directory
        if not directory.is_dir():
            raise NotFoundError(f"Name a data directory that exists: {directory} does not.")
        if not load_part("store").is_in(directory):
            raise NotFoundError(f"Name a data directory that has a store: {directory} has none.")
        # Another thread of this very program, such as a component that refreshes, may ask a question just now.
        return load_part("store").open(directory, patience_seconds=PATIENCE_SECONDS)


class CopySource(StoreSource):
    """Reads a bundle, or the copy of a data directory, and changes nothing in it."""

    def now(self) -> datetime:
        """Return the end of what the copy knows."""
        with self._store() as store:
            return store.shown.until if store.shown else utc_now()

    def _board(self, at: datetime | None) -> PastBoard:
        with self._store() as store:
            snapshot = store.snapshot(at or (store.shown.at if store.shown else None))
            return PastBoard(snapshot, load_book(self._settings))

    def _open(self) -> Store:
        return load_part("store").open_copy(self._settings.data_directory)


class LocalSource:
    """Asks the server of a data directory when one runs, else opens the store."""

    _held: Source | None = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def list_hosts(self, at: datetime | None) -> Rows:
        """List the judged hosts."""
        return self._present().list_hosts(at)

    def get_host(self, name: str, at: datetime | None) -> dict[str, Any]:
        """Return one judged host."""
        return self._present().get_host(name, at)

    def list_guests(self, query: str, at: datetime | None) -> Rows:
        """List the guests that match."""
        return self._present().list_guests(query, at)

    def read(self, sql: str, parameters: Parameters) -> Batches:
        """Give the batches of a query."""
        return self._present().read(sql, parameters)

    def now(self) -> datetime:
        """Return the present."""
        return utc_now()

    @contextmanager
    def hold(self) -> Generator[None, None, None]:
        """Keep asking whom is asked first."""
        source = self._present()
        with source.hold():
            self._held = source
            try:
                yield
            finally:
                self._held = None

    def _present(self) -> Source:
        if self._held is not None:
            return self._held
        running = read_control(self._settings.data_directory)
        if running is not None and _is_alive(running.pid):
            return ServerSource(running.url, running.token)
        return StoreSource(self._settings)


def _chunks(store: Store, sql: str, parameters: Parameters, seconds: float) -> Iterator[bytes]:
    answer = store.query(sql, parameters, seconds)
    try:
        while chunk := answer.next_chunk():
            yield chunk
    finally:
        answer.close()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
