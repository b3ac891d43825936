"""``proxmon seal``: each day that is over as Parquet files, once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from proxmon.cli.options import Commands, add_source_options, connect_as_said, settings_of
from proxmon.errors import NotFoundError, SettingsError
from proxmon.runtime import utc_now

FOLDER = "parquet"


def add_commands(commands: Commands) -> None:
    """Add the command."""
    text = "write each day that is over as Parquet files, those that are not there yet"
    parser = commands.add_parser(
        "seal", help=text, description=f"{text}. Run it once a day. docs/analysts.md has more."
    )
    parser.add_argument("directory", metavar="DIR", nargs="?", help=f"default: {FOLDER} in the data directory")
    add_source_options(parser)
    parser.set_defaults(run=seal_days)


def seal_days(options: argparse.Namespace) -> None:
    """Write the files, and say which."""
    from proxmon.client.seals import seal  # noqa: PLC0415 - Arrow and pandas take a second to load

    directory, fleet, count = _directory(options), connect_as_said(options), 0
    with fleet.hold():
        for sealed in seal(fleet, directory, utc_now()):
            count += 1
            print(sealed.path, flush=True)
    print(f"{count} new {'file' if count == 1 else 'files'} in {directory}", file=sys.stderr)


def _directory(options: argparse.Namespace) -> Path:
    """Return where the files go; raises NotFoundError or SettingsError."""
    if options.url is not None:
        if options.directory is None:
            raise SettingsError("Name the directory for the files: proxmon seal DIR --url https://mon.example.")
        return Path(options.directory)
    data = settings_of(options).data_directory
    if not data.exists():
        raise NotFoundError(f"Name a data directory that exists: {data} does not.")
    return Path(options.directory) if options.directory else data / FOLDER
