"""How local programs reach the running server: a file in the data directory that only its owner reads.

The file holds the server's local address and an administrator's token that lives as long as the process.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from proxmon.errors import SettingsError
from proxmon.install import Reach

FILE_NAME = "server.json"
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that runs on this machine."""

    url: str
    pid: int
    token: str = field(repr=False)
    reach: Reach


def write_control(directory: Path, url: str, reach: Reach) -> LocalServer:
    """Announce this process as the running server and return what was announced."""
    server = LocalServer(url=url, pid=os.getpid(), token=secrets.token_urlsafe(32), reach=reach)
    write_private(directory / FILE_NAME, json.dumps(asdict(server)))
    return server


def remove_control(directory: Path) -> None:
    """Take the announcement back, if it is this process's own."""
    server = read_control(directory)
    if server is not None and server.pid == os.getpid():
        (directory / FILE_NAME).unlink(missing_ok=True)


def read_control(directory: Path) -> LocalServer | None:
    """Return the server that announced itself, or None; one that was killed may have left its announcement."""
    try:
        found = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
        reach = Reach(str(found["reach"]["url"]), str(found["reach"]["note"]))
        return LocalServer(url=str(found["url"]), pid=int(found["pid"]), token=str(found["token"]), reach=reach)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, replacing the old one as a whole. Raises SettingsError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise _file_error(path, error) from error


def private_key(path: Path) -> str:
    """Return the random key kept in a private file, made at the first call. Raises SettingsError."""
    try:
        key = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        key = secrets.token_hex(KEY_BYTES)
        write_private(path, key)
    except OSError as error:
        raise _file_error(path, error) from error
    # A key that was cut short could be guessed, and with it every cookie forged.
    if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", key):
        raise SettingsError(f"Remove {path}, which is damaged, and start again: a new key is made, and logins end.")
    return key


def _file_error(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"Correct the owner and mode of {path} and of its folder: {error.strerror}.")
