"""Copies of the whole store while it is in use, and how one becomes a data directory again.

Between two checkpoints the database's file never changes where the last checkpoint looks: what is committed goes to
the write-ahead log. So a backup is a checkpoint, and a copy of the file before the next one; ingest goes on beside it.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from proxmon.errors import ConflictError, NotFoundError, StoreUnavailableError
from proxmon.version import __version__
from storage.copying import copy_file
from storage.directory import MIN_FREE_BYTES, DataDirectory
from storage.filler import Filler

LABEL = "backup.json"
# What lies beside the store, where it is there: the keys of cookies and links, and the owner's rules.
BESIDE = ("cookie.key", "links.key", "rules.toml")
DATABASE, SECRETS = "fleet.duckdb", "secrets.sqlite"
_STAGING = ".backup-"


def make_backup(directory: DataDirectory, filler: Filler) -> Path:
    """Copy the store into a new directory inside the data directory and return it; the caller moves it away.

    All samples that were acknowledged before are in it.

    Raises:
        StoreUnavailableError: there is no room, or the store cannot be written now.
    """
    _check_room(directory)
    for left_behind in directory.path.glob(_STAGING + "*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    staging = directory.path / (_STAGING + secrets.token_hex(8))
    staging.mkdir(mode=0o700)
    try:
        with filler.file_at_rest():
            _copy_apart(directory.database_path, staging / DATABASE)
        # After it: a host that was deleted in between has no token, one that was added has no host.
        _copy_secrets(directory.secrets_path, staging / SECRETS)
        for name in BESIDE:
            if (directory.path / name).exists():
                copy_file(str(directory.path / name), str(staging / name))
        label = {"made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "proxmon_version": __version__}
        (staging / LABEL).write_text(json.dumps(label), encoding="utf-8")
        (staging / LABEL).chmod(0o600)
    except (OSError, sqlite3.Error, StoreUnavailableError) as error:
        shutil.rmtree(staging, ignore_errors=True)
        if isinstance(error, StoreUnavailableError):
            raise
        raise StoreUnavailableError(f"The backup could not be written: {error}.") from error
    return staging


def restore_backup(backup: Path, directory: Path) -> None:
    """Make a data directory of a backup.

    Raises:
        NotFoundError: it is no backup.
        ConflictError: there is something in the directory.
        StoreUnavailableError: it cannot be written.
    """
    if not (backup / DATABASE).is_file():
        raise NotFoundError(f"Name a directory that `proxmon backup` made: {backup} has no {DATABASE}.")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConflictError(f"Choose a directory that is empty or not there yet: {directory} has something in it.")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        for name in (DATABASE, f"{DATABASE}.wal", SECRETS, *BESIDE):
            if (backup / name).exists():
                copy_file(str(backup / name), str(directory / name))
    except OSError as error:
        raise StoreUnavailableError(f"The backup could not be restored: {error}.") from error


def _check_room(directory: DataDirectory) -> None:
    needed = directory.database_path.stat().st_size + directory.wal_bytes() + MIN_FREE_BYTES
    free = shutil.disk_usage(directory.path).free
    if free < needed:
        raise StoreUnavailableError(
            f"A backup needs {needed // 2**20} MiB beside the store and {directory.path} has {free // 2**20} MiB left: "
            "make room."
        )


def _copy_apart(source: Path, target: Path) -> None:
    script = Path(__file__).with_name("copying.py")
    command = [sys.executable, "-I", str(script), str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2] or f"the copy ended with {done.returncode}"
        raise StoreUnavailableError(f"The backup could not be written: {reason}.")


def _copy_secrets(source: Path, target: Path) -> None:
    copy_file("/dev/null", str(target))  # made private before anything is in it
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)
