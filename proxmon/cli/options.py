"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from proxmon.config import LARGEST_PORT, Settings, read_settings
from proxmon.errors import SettingsError

if TYPE_CHECKING:
    from proxmon.client import Fleet

Commands = Any  # argparse's `_SubParsersAction`, which has no public name


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``."""
    parser.add_argument("--data", metavar="DIR", help="data directory (PROXMON_DATA)")


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--data`` and ``--url``: whose rows are read."""
    add_data_option(parser)
    text = "ask a server on another machine instead, with the API token in PROXMON_TOKEN"
    parser.add_argument("--url", metavar="URL", help=text)


def connect_as_said(options: argparse.Namespace) -> Fleet:
    """Connect to the server of ``--url``, else to the data directory.

    Raises:
        SettingsError: that is no URL, or both were given. TokenError: PROXMON_TOKEN is not set.
    """
    # Arrow and pandas take a second to load, which no other command should wait for.
    from proxmon.client import connect, connect_locally  # noqa: PLC0415

    if options.url is None:
        return connect_locally(settings_of(options))
    if options.data is not None:
        raise SettingsError("Choose one: --data for a directory of this machine, --url for a server.")
    if not options.url.startswith(("http://", "https://")):
        raise SettingsError(f"Write --url as https://mon.example, not {options.url!r}.")
    return connect(options.url)


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
