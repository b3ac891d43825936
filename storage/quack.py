"""Lets other DuckDBs ATTACH the fleet: speaks the protocol of DuckDB's Quack extension and has the server answer.

No statement of a client is ever run here. Quack asks two functions of ours: whether a token may enter, and which SQL to
run for a statement. The second has the statement answered elsewhere, by ``POST /api/query`` with the client's own
token, keeps the rows in a table with a random name, and returns SQL that reads this table. So all that bounds a query
there bounds it here: the gate, the time, the memory, and the token, which is looked at for each statement.

This belongs into a process of its own, which holds neither the store nor a secret and can be ended at any moment.
"""

from __future__ import annotations

import importlib.util
import itertools
import logging
import re
import secrets
import socket
import threading
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import duckdb

from proxmon.errors import ProxmonError, SettingsError, StoreUnavailableError, TokenError
from storage.arrow import pa
from storage.database import first_line
from storage.gate import MAX_SQL_CHARACTERS
from storage.guard import statm_bytes
from storage.quack_sql import ASKS_SCHEMAS, ASKS_TABLES, COLUMNS, SCHEMAS, literal, refusal, tables_answer
from storage.queries import FAILURES

log = logging.getLogger(__name__)

EXTENSIONS = ("httpfs", "quack")  # in this order: Quack speaks HTTP by the first
INSTALL = "pip install 'proxmon[quack]'"
MOST_SESSIONS = 1_000
# Quack takes a message of any size from anybody on this machine, before it has asked for a token. What a process may
# map is no bound for that: its 128 threads and three allocators map gigabytes that they hardly use.
MAX_RESIDENT_BYTES = 1536 * 2**20
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
# A statement begins to read its rows at once, and then has them also when their table is dropped.
KEPT_SECONDS = 10.0
# A client that was killed, or that never reads on, keeps its rows for ever: Quack ends no connection by itself.
STUCK_SPAN = timedelta(minutes=10)
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "256MB",
    "max_temp_directory_size": "2GB",
    "threads": 1,
}
SETUP = (
    "CREATE MACRO enter(session, token, own) AS proxmon_enter(session, token)",
    "CREATE MACRO answer(session, statement) AS proxmon_answer(session, statement)",
    # Set before anything is served: Quack's own functions let every statement pass.
    "SET GLOBAL quack_authentication_function = 'enter'",
    "SET GLOBAL quack_authorization_function = 'answer'",
    "SET GLOBAL TimeZone = 'UTC'",
    "SET GLOBAL enable_external_access = false",
    "SET GLOBAL lock_configuration = true",
)


class Fleet(Protocol):
    """Who knows the tokens and answers the statements; both may block."""

    def admits(self, token: str) -> bool:
        """Tell whether the token may enter."""
        ...

    def read(self, token: str, sql: str) -> Generator[Any]:
        """Give the pyarrow.RecordBatch of the answer, the first one perhaps without rows. Raises ProxmonError."""
        ...


def find_extensions() -> list[Path]:
    """Return the files of the extensions that fit the installed DuckDB.

    Raises:
        SettingsError: they are not installed, or for another version of DuckDB.
    """
    found: list[Path] = []
    for name in EXTENSIONS:
        spec = importlib.util.find_spec(f"duckdb_extension_{name}")
        if spec is None or not spec.submodule_search_locations:
            raise SettingsError(f"Install DuckDB's extension {name}, or leave out --quack: {INSTALL}.")
        folder = Path(spec.submodule_search_locations[0]) / "extensions"
        path = folder / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if not path.is_file():
            versions = ", ".join(sorted(one.name for one in folder.glob("v*"))) or "another version"
            raise SettingsError(
                f"Install what fits together, or leave out --quack: the extension {name} is for DuckDB {versions} and "
                f"v{duckdb.__version__} is installed. {INSTALL} gets both."
            )
        found.append(path)
    return found


class QuackServer:
    """One DuckDB without data that other DuckDBs attach, on one loopback address such as ``127.0.0.1:9494``.

    What it keeps of answers lies in memory and below ``scratch``. Quack calls it from threads of its own.
    """

    def __init__(self, fleet: Fleet, address: str, scratch: Path) -> None:
        self._fleet, self._address, self._uri = fleet, address, f"quack:{address}"
        self._changing = threading.Lock()
        self._tokens: OrderedDict[str, str] = OrderedDict()  # by session
        self._kept: deque[tuple[str, float]] = deque()  # tables, and since when
        places = {"home_directory": str(scratch), "temp_directory": str(scratch / "rows")}
        self._connection = duckdb.connect(":memory:", config=CONFIG | places)
        self._set_up()

    def serve(self) -> None:
        """Let clients attach. Raises SettingsError when the address cannot be listened on."""
        try:
            self._check_free()
            # Nobody knows this token, and nobody could enter with it: tokens are the fleet's.
            self._run("CALL quack_serve(?, token => ?)", [self._uri, secrets.token_urlsafe(32)])
        except (duckdb.Error, OSError) as error:
            reason = first_line(error)
            raise SettingsError(f"Choose another address: {self._uri} cannot be listened on: {reason}.") from error

    @staticmethod
    def check_memory() -> None:
        """Raise StoreUnavailableError when this process has grown too large, as far as proc(5) tells its size."""
        with suppress(OSError):
            if statm_bytes(1) > MAX_RESIDENT_BYTES:
                limit = MAX_RESIDENT_BYTES // 2**20
                raise StoreUnavailableError(f"Start Quack's process again: it needed more than {limit} MiB.")

    def look_after(self, now: datetime) -> None:
        """Drop rows that were handed on, and start anew when a client has been reading one answer for too long."""
        while self._kept and self._kept[0][1] < time.monotonic() - KEPT_SECONDS:
            self._run(f"DROP TABLE {self._kept.popleft()[0]}")
        started = self._run("SELECT query_started_at FROM quack_active_connections() WHERE state = 'active'")
        if any(at < (now - STUCK_SPAN).astimezone(UTC).replace(tzinfo=None) for (at,) in started if at is not None):
            log.warning("clients of Quack have to attach again: one had not read its answer for %s", STUCK_SPAN)
            self.stop()
            self.serve()

    def stop(self) -> None:
        """Let go of all clients."""
        with suppress(duckdb.Error):
            self._run("CALL quack_stop(?)", [self._uri])

    def _check_free(self) -> None:
        # Quack shares a port with a process of the same user that listens on it: each would get some of the clients.
        host, _, port = self._address.partition(":")
        socket.create_server((host, int(port))).close()

    def _set_up(self) -> None:
        for path in find_extensions():
            self._run(f"LOAD {literal(str(path))}")
        how: dict[str, Any] = {"side_effects": True, "null_handling": "special"}
        self._connection.create_function("proxmon_enter", self._enter, ["VARCHAR", "VARCHAR"], "BOOLEAN", **how)
        self._connection.create_function("proxmon_answer", self._answer, ["VARCHAR", "VARCHAR"], "VARCHAR", **how)
        for statement in SETUP:
            self._run(statement)

    def _run(self, sql: str, parameters: list[str] | None = None) -> list[Any]:
        with self._connection.cursor() as cursor:
            return cursor.execute(sql, parameters).fetchall()

    def _enter(self, session: str | None, token: str | None) -> bool:
        """Tell Quack whether a client may enter, and remember its token."""
        if not session or not TOKEN.fullmatch(token or "") or not self._fleet.admits(str(token)):
            return False
        with self._changing:
            self._tokens[session] = str(token)
            while len(self._tokens) > MOST_SESSIONS:
                self._tokens.popitem(last=False)
        return True

    def _answer(self, session: str | None, statement: str | None) -> str | None:
        """Tell Quack what to run in place of a client's statement; None refuses it.

        Quack also asks before it appends rows, and then runs nothing of what it is told: only what reads is answered.
        """
        token = self._token_of(session or "")
        if token is None or not statement or is_writing(statement):
            return None
        try:
            return self._find_answer(token, statement) if self._is_question(statement) else None
        except TokenError as error:
            self._forget(session or "")
            return refusal(error)
        except (ProxmonError, *FAILURES) as error:
            return refusal(error)

    def _is_question(self, statement: str) -> bool:
        """Tell whether this is one statement of the kind that reads; the server looks at it in earnest."""
        if len(statement) > MAX_SQL_CHARACTERS:
            return False
        with self._connection.cursor() as cursor:
            statements = cursor.extract_statements(statement)
        return len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT

    def _find_answer(self, token: str, statement: str) -> str:
        words = statement.split()
        if words == ASKS_SCHEMAS.split():
            return SCHEMAS
        if words == ASKS_TABLES.split():
            return tables_answer(self._fleet.read(token, COLUMNS))
        return f"FROM {self._keep(self._fleet.read(token, statement))}"

    def _keep(self, batches: Generator[Any]) -> str:
        """Put the rows into a table and return its name."""
        # All at once, so that no slow reader keeps a place at the server, and with a name that nobody can guess.
        name = f"rows_{secrets.token_hex(16)}"
        rows = Rows(batches)
        try:
            with self._connection.cursor() as cursor:
                cursor.from_arrow(rows.reader).create(name)
        except FAILURES as error:
            raise rows.failure or error from error
        finally:
            batches.close()
        self._kept.append((name, time.monotonic()))
        return name

    def _token_of(self, session: str) -> str | None:
        with self._changing:
            if session in self._tokens:
                self._tokens.move_to_end(session)
            return self._tokens.get(session)

    def _forget(self, session: str) -> None:
        with self._changing:
            self._tokens.pop(session, None)


class Rows:
    """Batches as a reader for DuckDB, which hides why one failed."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self.failure: ProxmonError | None = None
        first = next(batches)
        self._names = distinct(first.schema.names)
        self.reader = pa.RecordBatchReader.from_batches(self._named(first).schema, self._each(first, batches))

    def _named(self, batch: Any) -> Any:
        return batch.rename_columns(self._names)

    def _each(self, first: Any, rest: Iterator[Any]) -> Iterator[Any]:
        yield self._named(first)
        try:
            yield from map(self._named, rest)
        except ProxmonError as error:
            self.failure = error
            raise


def is_writing(statement: str) -> bool:
    """Tell whether this may be how Quack asks about rows that a client appends, whatever the table's name."""
    return statement.lstrip().lower().startswith("insert")


def distinct(names: list[str]) -> list[str]:
    """Return names of which none is there twice, as a table needs them."""
    taken: dict[str, str] = {}
    numbers: dict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
    for name in names:
        fresh = name
        while fresh.lower() in taken:
            fresh = f"{name}_{next(numbers[name.lower()])}"
        taken[fresh.lower()] = fresh
    return list(taken.values())
