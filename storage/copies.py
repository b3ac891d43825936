"""A store that is only read: a bundle of one host, or a copy of a data directory. Nothing is written to either."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import duckdb
from duckdb import DuckDBPyConnection

from proxmon.alerts.channels import Channel
from proxmon.costs import Compaction, StoreReport
from proxmon.credentials import ApiToken, TokenSecret
from proxmon.errors import NotFoundError, ReadOnlyError, StoreUnavailableError
from proxmon.events import Event
from proxmon.payload import Tier
from storage.backup import DATABASE, SECRETS
from storage.channels import ChannelTable
from storage.credentials import CredentialFile
from storage.database import CONFIG, SETTINGS, Database, first_line, locked_by, quiet
from storage.directory import DataDirectory
from storage.inbox import Append
from storage.ledger import Ledger, Span
from storage.migrations import NEWEST_VERSION, migrate
from storage.moments import from_store
from storage.writer import Writer

REFUSAL = "Change it where it was made: this is a copy, which is only read."
_VERSION = "SELECT max(version) FROM base.schema_migrations"
_LABEL = "SELECT shown_at, until FROM base.bundle"
_KEPT_SPANS = """
SELECT host_id, tier, max(collected_at), min(observed_at), max(observed_at), max(received_at)
FROM base.kept_samples GROUP BY host_id, tier
"""
MOMENT = timedelta(microseconds=1)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """Which moment of a copy its pages show, and the end of what it knows."""

    at: datetime
    until: datetime


class CopiedDatabase(Database):
    """A DuckDB file that is opened to be read, by any number of processes; one of an older proxmon is copied first."""

    def __init__(self, file: Path, scratch: Path) -> None:
        super().__init__(DataDirectory(scratch))
        self._file, self._scratch = file, scratch

    def open(self) -> None:
        """Open the file.

        Raises:
            StoreUnavailableError: it is none of ours, of a newer proxmon, or in use by a server.
        """
        try:
            root = self._open_file()
            quiet(root)
            # Another store of this process may have the file open: then it is the same database, and locked already.
            if not root.execute("SELECT current_setting('lock_configuration')").fetchall()[0][0]:
                for setting in SETTINGS:
                    root.execute(setting)
        except (duckdb.Error, OSError) as error:
            held = locked_by(self._file, error)
            if held is not None:
                raise held from error
            raise StoreUnavailableError(f"The copy {self._file} cannot be opened: {first_line(error)}.") from error
        self._root = root

    def _open_file(self) -> DuckDBPyConnection:
        root = self._read_only(self._file)
        row = root.execute(_VERSION).fetchone()
        version = row[0] if row else 0
        if version == NEWEST_VERSION:
            return root
        root.close()
        if version < NEWEST_VERSION:
            return self._migrated()
        raise StoreUnavailableError(
            f"The copy {self._file} has version {version}, this proxmon knows {NEWEST_VERSION}: use the newer proxmon."
        )

    def _migrated(self) -> DuckDBPyConnection:
        """Return a copy of the file that was brought forward, since the file itself must stay as it is."""
        fresh = self._scratch / DATABASE
        shutil.copyfile(self._file, fresh)
        wal = self._file.with_name(f"{self._file.name}.wal")
        if wal.exists():
            shutil.copyfile(wal, fresh.with_name(f"{DATABASE}.wal"))
        with closing(duckdb.connect(str(fresh), config=CONFIG)) as connection:
            migrate(connection)
        return self._read_only(fresh)

    def _read_only(self, file: Path) -> DuckDBPyConnection:
        config = CONFIG | {"temp_directory": str(self._scratch)}
        return duckdb.connect(str(file), read_only=True, config=config)


class NoWriter(Writer):
    """Stands where the writer is and writes nothing; what is recorded of a copy while it is shown is forgotten."""

    def __init__(self, database: Database) -> None:
        self._ledger = Ledger.load(database.writer())
        # A store has the newest sample of each tier, a bundle of an old moment perhaps none but those that were kept.
        for host_id, tier, *moments in database.writer().execute(_KEPT_SPANS).fetchall():
            self._ledger.spans.setdefault((host_id, Tier(tier)), Span(*map(from_store, moments)))

    @property
    def ledger(self) -> Ledger:
        """Return what is known of the copy without asking it."""
        return self._ledger

    @property
    def has_pending(self) -> bool:
        """Tell that nothing waits to be stored."""
        return False

    def append(self, item: Append) -> None:
        """Refuse samples."""
        raise ReadOnlyError(REFUSAL)

    def run(self, task: Callable[[DuckDBPyConnection], T], then: Callable[[T], None] | None = None) -> T:
        """Refuse a write."""
        raise ReadOnlyError(REFUSAL)

    def remember(self, events: Sequence[Event]) -> Future[None]:
        """Forget events."""
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def settle(self) -> None:
        """Do nothing: the tables are what they are."""

    def keep_up(self, at: datetime) -> None:
        """Do nothing: what is too old stays."""

    def report(self) -> StoreReport:
        """Refuse to tell what the original costs."""
        raise ReadOnlyError("Ask the server of this fleet what its store holds: this is a copy, which is only read.")

    def compact(self) -> Compaction:
        """Refuse to rewrite the file."""
        raise ReadOnlyError(REFUSAL)

    def back_up(self) -> Path:
        """Refuse a backup: the file itself can be copied."""
        raise ReadOnlyError("Copy the file itself: this is a copy, which does not change while it is shown.")

    def check(self) -> None:
        """Do nothing: no sample is expected."""

    def close(self) -> None:
        """Do nothing: there is no thread."""


class CopiedCredentials(CredentialFile):
    """The API tokens that open a copy, those that a directory has; sessions are kept as long as the copy is open.

    Nothing else is taken over: a copy sends no messages, and takes no samples.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        super().__init__(scratch / SECRETS)
        try:
            for token in _read_api_tokens(path / SECRETS) if path.is_dir() else ():
                super().add_api_token(token)
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"The tokens in {path} cannot be read: {error}.") from error

    def add_api_token(self, token: ApiToken) -> None:
        """Refuse a token that would be gone with the server."""
        raise ReadOnlyError(REFUSAL)

    def delete_api_token(self, name: str) -> None:
        """Refuse what would not last."""
        raise ReadOnlyError(REFUSAL)


class CopiedChannels(ChannelTable):
    """No channel: whoever shows a copy must not send what its original sends."""

    def add_channel(self, channel: Channel) -> Channel:
        """Refuse a channel."""
        raise ReadOnlyError(REFUSAL)


def _read_api_tokens(file: Path) -> list[ApiToken]:
    if not file.exists():
        return []
    uri = f"{file.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as reading:
        rows = reading.execute("SELECT name, role, lookup, hash, created_at FROM api_tokens").fetchall()
    return [
        ApiToken(name, role, TokenSecret(lookup, digest), datetime.fromisoformat(at))
        for name, role, lookup, digest, at in rows
    ]


def find_database(path: Path) -> Path:
    """Return the DuckDB file of a copy: the bundle itself, or that in a directory. Raises NotFoundError."""
    file = path / DATABASE if path.is_dir() else path
    if not file.is_file():
        raise NotFoundError(f"Name a bundle, a backup or a data directory: {path} is none.")
    return file


def read_shown(database: Database, ledger: Ledger) -> Shown:
    """Return what a copy shows: a bundle its own moment, a directory the last one that it knows of."""
    with database.reader() as cursor:
        if cursor.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'bundle'").fetchone():
            row: Any = cursor.execute(_LABEL).fetchone()
            return Shown(from_store(row[0]), from_store(row[1]))
        row = cursor.execute("SELECT max(applied_at) FROM base.schema_migrations").fetchone()
    newest = max((span.last_received_at for span in ledger.spans.values()), default=from_store(row[0]))
    return Shown(newest, newest + MOMENT)
