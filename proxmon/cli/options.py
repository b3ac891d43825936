"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import argparse
import os
from typing import Any

from proxmon.config import LARGEST_PORT, Settings, read_settings
from proxmon.errors import SettingsError

Commands = Any  # argparse's `_SubParsersAction`, which has no public name


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``."""
    parser.add_argument("--data", metavar="DIR", help="data directory (PROXMON_DATA)")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_group(commands: Commands, name: str, text: str) -> Commands:
    """Add a command that has actions, such as ``hosts``, and return what takes them."""
    parser = commands.add_parser(name, help=text, description=text)
    return parser.add_subparsers(title="actions", metavar="ACTION", required=True)


def add_action(actions: Commands, name: str, run: object, text: str) -> argparse.ArgumentParser:
    """Add an action with the options that all of them have."""
    parser = actions.add_parser(name, help=text, description=text)
    add_data_option(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)
    return parser


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings from the environment, with the options that were given. Raises SettingsError."""
    names = ("data", "address", "prefix", "read_only", "quack")
    given = {name: getattr(options, name, None) for name in names}
    return read_settings(os.environ, port=read_port(getattr(options, "port", None)), **given)


def read_port(text: str | None) -> int | None:
    """Return the port of ``--port``, if that was given. Raises SettingsError when it is no number."""
    try:
        return None if text is None else int(text)
    except ValueError as error:
        raise SettingsError(f"Set --port to a number from 0 to {LARGEST_PORT}, not {text!r}.") from error
