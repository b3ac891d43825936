"""What is secret, in a file of its own: who may read samples never sees hashes, sessions or addresses of channels."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from proxmon.credentials import ApiToken, HostSecret, TokenSecret
from proxmon.errors import ConflictError, NotFoundError, StoreUnavailableError

_MIGRATIONS = (
    """
CREATE TABLE host_secrets (host_id INTEGER PRIMARY KEY, lookup TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TABLE api_tokens (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, lookup TEXT NOT NULL, hash TEXT NOT NULL, created_at TEXT NOT NULL
);
""",
    "CREATE TABLE sessions (key TEXT PRIMARY KEY, expires_at TEXT NOT NULL);",
    """
CREATE TABLE channels (
    channel_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL, service TEXT NOT NULL,
    created_at TEXT NOT NULL, severity TEXT NOT NULL, hosts TEXT NOT NULL, quiet_hours TEXT NOT NULL,
    tells_ends INTEGER NOT NULL
);
CREATE TABLE tellings (
    channel_id INTEGER NOT NULL, alert_id INTEGER NOT NULL, told TEXT NOT NULL, owed TEXT NOT NULL,
    owed_since TEXT NOT NULL, attempts INTEGER NOT NULL, PRIMARY KEY (channel_id, alert_id)
);
CREATE TABLE reviewed_alerts (newest_id INTEGER NOT NULL);
""",
    "ALTER TABLE channels ADD COLUMN paused_at TEXT NOT NULL DEFAULT '';",
)
VERSION = len(_MIGRATIONS)


class CredentialFile:
    """The file ``secrets.sqlite``; its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            # SQLite would create the file with the mode that umask leaves.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA secure_delete = ON")
            self._migrate()
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailableError(f"The tokens in {path} cannot be read: {error}.") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def put_host_secret(self, host_id: int, secret: TokenSecret) -> None:
        """Set the token of a host, in place of one that it had."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO host_secrets VALUES (?, ?, ?)", (host_id, secret.lookup, secret.hash)
            )

    def delete_host_secret(self, host_id: int) -> None:
        """Delete the token of a host; nothing happens when it has none."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM host_secrets WHERE host_id = ?", (host_id,))

    def list_host_secrets(self) -> list[HostSecret]:
        """List the tokens of all hosts."""
        with self.transaction() as connection:
            rows = connection.execute("SELECT host_id, lookup, hash FROM host_secrets ORDER BY host_id").fetchall()
        return [HostSecret(host_id, TokenSecret(lookup, digest)) for host_id, lookup, digest in rows]

    def add_api_token(self, token: ApiToken) -> None:
        """Add a token of the JSON API; raises ConflictError when the name is taken."""
        secret = token.secret
        row = (token.name, token.role, secret.lookup, secret.hash, token.created_at.isoformat())
        try:
            with self.transaction() as connection:
                connection.execute("INSERT INTO api_tokens VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise ConflictError(f"There is a token {token.name} already: choose another name.") from error

    def list_api_tokens(self) -> list[ApiToken]:
        """List the tokens of the JSON API by name."""
        with self.transaction() as connection:
            rows = connection.execute("SELECT name, role, lookup, hash, created_at FROM api_tokens ORDER BY name")
            return [
                ApiToken(name, role, TokenSecret(lookup, digest), datetime.fromisoformat(created_at))
                for name, role, lookup, digest, created_at in rows
            ]

    def delete_api_token(self, name: str) -> None:
        """Delete a token of the JSON API; raises NotFoundError when there is none of that name."""
        with self.transaction() as connection:
            if connection.execute("DELETE FROM api_tokens WHERE name = ?", (name,)).rowcount == 0:
                raise NotFoundError(f"There is no token {name}.")

    def add_session(self, key: str, expires_at: datetime) -> None:
        """Add an open session."""
        with self.transaction() as connection:
            connection.execute("INSERT INTO sessions VALUES (?, ?)", (key, expires_at.isoformat()))

    def delete_session(self, key: str) -> None:
        """Delete a session; nothing happens when there is none."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE key = ?", (key,))

    def list_sessions(self) -> dict[str, datetime]:
        """Return when each session expires."""
        with self.transaction() as connection:
            rows = connection.execute("SELECT key, expires_at FROM sessions").fetchall()
        return {key: datetime.fromisoformat(expires_at) for key, expires_at in rows}

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection, None, None]:
        """Give the connection for one transaction. Raises StoreUnavailableError; sqlite3.IntegrityError passes."""
        with self._lock:
            try:
                with self._connection:
                    self._connection.execute("BEGIN IMMEDIATE")
                    yield self._connection
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                raise StoreUnavailableError(f"The tokens cannot be read or stored: {error}.") from error

    def _migrate(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StoreUnavailableError(
                f"The tokens have version {version} and this proxmon knows {VERSION}: install the newer proxmon again."
            )
        for number in range(version, VERSION):
            self._connection.executescript(f"BEGIN; {_MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")


class Credentials:
    """What a store does with its hashes of tokens and its open sessions, beside the samples."""

    def __init__(self, file: CredentialFile) -> None:
        self._credentials = file

    def list_host_secrets(self) -> list[HostSecret]:
        """List the tokens of all hosts."""
        return self._credentials.list_host_secrets()

    def add_api_token(self, name: str, role: str, secret: TokenSecret, at: datetime) -> None:
        """Add a token of the JSON API; raises ConflictError when the name is taken."""
        self._credentials.add_api_token(ApiToken(name, role, secret, at))

    def list_api_tokens(self) -> list[ApiToken]:
        """List the tokens of the JSON API by name."""
        return self._credentials.list_api_tokens()

    def revoke_api_token(self, name: str, at: datetime) -> None:
        """Revoke a token of the JSON API; raises NotFoundError."""
        self._credentials.delete_api_token(name)

    def add_session(self, key: str, expires_at: datetime) -> None:
        """Add an open session of the dashboard."""
        self._credentials.add_session(key, expires_at)

    def delete_session(self, key: str) -> None:
        """Delete a session; nothing happens when there is none."""
        self._credentials.delete_session(key)

    def list_sessions(self) -> dict[str, datetime]:
        """Return when each session expires."""
        return self._credentials.list_sessions()
