"""Changes hosts and tokens from the command line: through the running server, or in the store when none runs."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from proxmon.alerts.dispatch import PATIENCE_SECONDS
from proxmon.answers import host_answer, issued_answer, token_answer
from proxmon.config import Settings
from proxmon.context import Monitor
from proxmon.control import LocalServer, read_control
from proxmon.errors import ConflictError, NotFoundError, ProxmonError, SampleError
from proxmon.parts import load_part
from proxmon.ruledesk import MOST_SECONDS
from proxmon.runtime import Store, make_monitor, utc_now

TIMEOUT_SECONDS = 15
LOCK_SECONDS = 5.0  # another short command may have the store open just now
COMPACTION_SECONDS = 4 * 3600.0  # of hundreds of gigabytes on a slow disk
SEND_PATIENCE_SECONDS = PATIENCE_SECONDS + 5.0
ERRORS: dict[int, type[ProxmonError]] = {404: NotFoundError, 409: ConflictError, 422: SampleError}

log = logging.getLogger(__name__)

Row = dict[str, Any]


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


def is_answering(server: LocalServer) -> bool:
    """Tell whether the announced server is there; one that was killed leaves its announcement behind."""
    try:
        with urllib.request.urlopen(f"{server.url}/healthz", timeout=TIMEOUT_SECONDS):  # noqa: S310 - an address that we wrote
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


class ServerAdministration:
    """Asks the running server."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server

    def list_hosts(self) -> list[Row]:
        """List the hosts as ``GET /api/hosts`` does."""
        return self._ask("GET", "/api/hosts")["hosts"]

    def add_host(self, name: str) -> Row:
        """Add a host; returns name and token."""
        return self._ask("POST", "/api/hosts", {"name": name})

    def rotate_host(self, name: str) -> Row:
        """Replace a host's token; returns name and token."""
        return self._ask("POST", f"/api/hosts/{quote(name, safe='')}/rotate")

    def delete_host(self, name: str, *, keep_history: bool) -> None:
        """Delete a host."""
        self._ask("DELETE", f"/api/hosts/{quote(name, safe='')}?keep_history={str(keep_history).lower()}")

    def compact(self) -> Row:
        """Give the room of deleted rows back to the disk; returns sizes and seconds."""
        return self._ask("POST", "/api/compact", seconds=COMPACTION_SECONDS)

    def back_up(self) -> Path:
        """Copy everything; returns where."""
        return Path(self._ask("POST", "/api/backup", seconds=COMPACTION_SECONDS)["path"])

    def list_tokens(self) -> list[Row]:
        """List the API tokens."""
        return self._ask("GET", "/api/tokens")["tokens"]

    def add_token(self, name: str, role: str) -> Row:
        """Add an API token; returns name and token."""
        return self._ask("POST", "/api/tokens", {"name": name, "role": role})

    def revoke_token(self, name: str) -> None:
        """Revoke an API token."""
        self._ask("DELETE", f"/api/tokens/{quote(name, safe='')}")

    def list_channels(self) -> list[Row]:
        """List the channels."""
        return self._ask("GET", "/api/channels")["channels"]

    def add_channel(self, wish: Row) -> Row:
        """Add a channel; returns what may be told of it."""
        return self._ask("POST", "/api/channels", wish)

    def change_channel(self, name: str, wish: Row) -> Row:
        """Change what the wish names of a channel; returns what may be told of it."""
        return self._ask("PATCH", f"/api/channels/{quote(name, safe='')}", wish)

    def test_channel(self, name: str) -> None:
        """Send a test message. Raises DeliveryError."""
        self._ask("POST", f"/api/channels/{quote(name, safe='')}/test", seconds=SEND_PATIENCE_SECONDS)

    def delete_channel(self, name: str) -> None:
        """Delete a channel."""
        self._ask("DELETE", f"/api/channels/{quote(name, safe='')}")

    def rehearse(self, text: str, days: float) -> Row:
        """Return what rules would have done on the stored samples."""
        body = {"text": text, "days": days}
        return self._ask("POST", "/api/rules/rehearsal", body, MOST_SECONDS + TIMEOUT_SECONDS)

    def _ask(self, method: str, path: str, body: Row | None = None, seconds: float = TIMEOUT_SECONDS) -> Any:
        request = urllib.request.Request(  # noqa: S310 - as above
            self._server.url + path,
            method=method,
            data=json.dumps(body or {}).encode() if method in ("POST", "PATCH") else None,
            headers={"Authorization": f"Bearer {self._server.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise ERRORS.get(error.code, ProxmonError)(_sentence(error)) from error
        except OSError as error:
            raise ProxmonError(f"Look at the server at {self._server.url}: it does not answer ({error}).") from error
        return json.loads(text) if text else None


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


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {error.code}."
