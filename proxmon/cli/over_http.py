"""Administration through the running server's API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from proxmon.alerts.dispatch import PATIENCE_SECONDS
from proxmon.cli.printing import Row
from proxmon.control import LocalServer
from proxmon.errors import ConflictError, NotFoundError, ProxmonError, SampleError
from proxmon.ruledesk import MOST_SECONDS

TIMEOUT_SECONDS = 15
COMPACTION_SECONDS = 4 * 3600.0  # of hundreds of gigabytes on a slow disk
SEND_PATIENCE_SECONDS = PATIENCE_SECONDS + 5.0
ERRORS: dict[int, type[ProxmonError]] = {404: NotFoundError, 409: ConflictError, 422: SampleError}


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


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {error.code}."
