"""``proxmon backup`` and ``proxmon restore``: a consistent copy of everything, also while the server runs."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from proxmon.cli.administration import open_administration
from proxmon.cli.options import Commands, add_data_option, settings_of
from proxmon.errors import ConflictError, StoreUnavailableError
from proxmon.parts import load_part


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    text = "copy the store, the hashes of tokens, keys and rules into a new directory, also while the server runs"
    parser = commands.add_parser("backup", help=text, description=text)
    parser.add_argument("directory", metavar="DIR", help="a directory that is not there yet")
    add_data_option(parser)
    parser.set_defaults(run=back_up)
    text = "make a data directory of a backup"
    parser = commands.add_parser("restore", help=text, description=text)
    parser.add_argument("backup", metavar="BACKUP", help="a directory that `proxmon backup` made")
    add_data_option(parser)
    parser.set_defaults(run=restore)


def back_up(options: argparse.Namespace) -> None:
    """Make a backup and put it where it was asked for."""
    target = Path(options.directory)
    if target.exists():
        raise ConflictError(f"Choose a directory that is not there yet: {target} is.")
    move_whole(open_administration(settings_of(options)).back_up(), target)
    size = sum(file.stat().st_size for file in target.iterdir())
    print(f"{target}: {size / 2**20:.1f} MiB. Bring it back with", file=sys.stderr)
    print(f"  proxmon restore {target} --data DIR", file=sys.stderr)


def restore(options: argparse.Namespace) -> None:
    """Make a data directory of a backup, and say what is in it."""
    directory = settings_of(options).data_directory
    hosts = load_part("store").restore(Path(options.backup), directory)
    print(f"Restored {hosts} {'host' if hosts == 1 else 'hosts'} into {directory}.")


def move_whole(source: Path, target: Path) -> None:
    """Move a directory, also to another disk; under its name it appears when all of it is there.

    Raises:
        StoreUnavailableError: it cannot be written there; the source is gone then too.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.move(source, part)
        part.rename(target)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(source, ignore_errors=True)
        raise StoreUnavailableError(f"The backup could not be written to {target}: {error.strerror}.") from error
