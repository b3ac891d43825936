"""``proxmon seal``: each day that is over as Parquet files, once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from proxmon.cli.options import Commands, add_data_option, settings_of
from proxmon.errors import NotFoundError
from proxmon.runtime import utc_now

FOLDER = "parquet"


def add_commands(commands: Commands) -> None:
    """Add the command."""
    text = "write each day that is over as Parquet files, those that are not there yet"
    parser = commands.add_parser(
        "seal", help=text, description=f"{text}. Run it once a day. docs/analysts.md has more."
    )
    parser.add_argument("directory", metavar="DIR", nargs="?", help=f"default: {FOLDER} in the data directory")
    add_data_option(parser)
    parser.set_defaults(run=seal_days)


def seal_days(options: argparse.Namespace) -> None:
    """Write the files, and say which."""
    from proxmon.client import connect_locally  # noqa: PLC0415 - Arrow and pandas take a second to load
    from proxmon.client.seals import seal  # noqa: PLC0415

    settings = settings_of(options)
    if not settings.data_directory.exists():
        raise NotFoundError(f"Name a data directory that exists: {settings.data_directory} does not.")
    directory = Path(options.directory) if options.directory else settings.data_directory / FOLDER
    fleet, count = connect_locally(settings), 0
    with fleet.hold():
        for sealed in seal(fleet, directory, utc_now()):
            count += 1
            print(sealed.path, flush=True)
    print(f"{count} new {'file' if count == 1 else 'files'} in {directory}", file=sys.stderr)
