"""Where a notebook's answers come from: a running server, a data directory, or one file."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from http.client import HTTPException
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from proxmon.answers import guest_answer, host_answer, iso
from proxmon.board import PastBoard
from proxmon.client.frames import CUT_OFF, Chunks, pa, read_batches
from proxmon.config import Settings
from proxmon.control import read_control
from proxmon.errors import (
    ForbiddenError,
    NotFoundError,
    OverloadedError,
    ProxmonError,
    QueryError,
    StoreUnavailableError,
    TokenError,
)
from proxmon.guests import search_guests
from proxmon.parts import load_part
from proxmon.rulebook.file import load_book
from proxmon.runtime import Store, utc_now
from proxmon.samples import check_over

TIMEOUT_SECONDS = 60
TOO_MANY, RETRY_SECONDS = 429, 2.0
PATIENCE_SECONDS, PAUSE_SECONDS = 2.0, 0.02  # while another question is answered
Parameters = Sequence[object] | Mapping[str, object] | None
Rows = list[dict[str, Any]]
Batches = Generator[Any, None, None]  # of pyarrow.RecordBatch; closing it ends the query


class Source(Protocol):
    """Where the answers come from."""

    def list_hosts(self, at: datetime | None) -> Rows:
        """List the judged hosts in the form of ``GET /api/hosts``."""
        ...

    def get_host(self, name: str, at: datetime | None) -> dict[str, Any]:
        """Return one judged host in the form of ``GET /api/hosts/NAME``; raises NotFoundError."""
        ...

    def list_guests(self, query: str, at: datetime | None) -> Rows:
        """List the guests that match, in the form of ``GET /api/guests``."""
        ...

    def read(self, sql: str, parameters: Parameters) -> Batches:
        """Give the pyarrow.RecordBatch of a query's rows as they arrive; the first one is there without rows too."""
        ...

    def now(self) -> datetime:
        """Return the moment up to which something can be known."""
        ...

    def hold(self) -> AbstractContextManager[None]:
        """Stay connected for several questions in a row, where each would open the store otherwise."""
        ...


class ServerSource:
    """Asks a running server, on this machine or another."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url.rstrip("/"), token

    def list_hosts(self, at: datetime | None) -> Rows:
        """List the judged hosts."""
        return self._get("/api/hosts", at=iso(at))["hosts"]

    def get_host(self, name: str, at: datetime | None) -> dict[str, Any]:
        """Return one judged host."""
        return self._get(f"/api/hosts/{quote(name, safe='')}", at=iso(at))

    def list_guests(self, query: str, at: datetime | None) -> Rows:
        """List the guests that match."""
        return self._get("/api/guests", q=query, at=iso(at))["guests"]

    def read(self, sql: str, parameters: Parameters) -> Batches:
        """Give the batches of a query as they arrive."""
        body = json.dumps({"sql": sql, "parameters": parameters}, default=str).encode()
        with self._open("/api/query", body) as answer:
            try:
                yield from read_batches(answer)
            except (pa.ArrowException, OSError, HTTPException) as error:
                raise QueryError(CUT_OFF) from error

    def now(self) -> datetime:
        """Return the present."""
        return utc_now()

    def hold(self) -> AbstractContextManager[None]:
        """Do nothing: a server answers each question by itself."""
        return nullcontext()

    def is_reader(self) -> bool:
        """Tell whether the token is a reader's: it is known, and yet not allowed what an administrator may see.

        Raises:
            TokenError: it is unknown.
        """
        try:
            self._get("/api/tokens")
        except ForbiddenError:
            return True
        return False

    def _get(self, path: str, **parameters: str | None) -> Any:
        given = {name: value for name, value in parameters.items() if value}
        with self._open(f"{path}?{urlencode(given)}" if given else path) as answer:
            return json.load(answer)

    def _open(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data=body, headers=headers)  # noqa: S310 - the caller's own
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310 - as above
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from error
        except (OSError, HTTPException) as error:
            raise ProxmonError(f"Look at the server at {self._url}: it does not answer ({error}).") from error


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
        if not self._settings.data_directory.is_dir():
            raise NotFoundError(f"Name a data directory that exists: {self._settings.data_directory} does not.")
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return load_part("store").open(self._settings.data_directory)
            except StoreUnavailableError as error:
                # Another thread of this very program, such as a component that refreshes, asks a question just now.
                is_ours = f"in use by process {os.getpid()}:" in str(error)
                if not is_ours or time.monotonic() > give_up_at:
                    raise
            time.sleep(PAUSE_SECONDS)


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


def _refusal(error: urllib.error.HTTPError) -> ProxmonError:
    if error.code == TOO_MANY:
        return OverloadedError(_sentence(error), float(error.headers.get("Retry-After", RETRY_SECONDS)))
    kinds = {401: TokenError, 403: ForbiddenError, 404: NotFoundError, 422: QueryError}
    return kinds.get(error.code, ProxmonError)(_sentence(error))


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {error.code}."
