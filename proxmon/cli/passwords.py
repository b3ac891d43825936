"""``proxmon hash-password``."""

from __future__ import annotations

import argparse
import getpass
import sys

from proxmon.auth import hash_password
from proxmon.cli.options import Commands
from proxmon.errors import SettingsError


def add_commands(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "hash-password",
        help="read a password and print its Argon2 hash, for DASHBOARD_PASSWORD_HASH",
        description="Reads a password (without echo, or from standard input when piped) and prints its Argon2 hash. "
        "Put the hash in single quotes: DASHBOARD_PASSWORD_HASH='$argon2id$…'",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the hash of the password that is typed or piped."""
    print(hash_password(read_password()))


def read_password() -> str:
    """Return the password from the prompt, typed twice, or from standard input. Raises SettingsError."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise SettingsError("Type the same password twice: these two differ.")
    if not password:
        raise SettingsError("Give a password that is not empty.")
    return password
