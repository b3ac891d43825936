"""``proxmon bundle``: one host around a moment as one file, to hand on."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path

from proxmon.cli.options import Commands, add_source_options, connect_as_said
from proxmon.errors import ConflictError, QueryError
from proxmon.parts import load_part
from proxmon.runtime import utc_now
from proxmon.series import read_timedelta

SPAN = "2h"


def add_commands(commands: Commands) -> None:
    """Add the command."""
    text = "write one host around a moment into one DuckDB file, without tokens, to show it elsewhere"
    parser = commands.add_parser("bundle", help=text, description=text)
    parser.add_argument("host", metavar="HOST")
    parser.add_argument("file", metavar="FILE", help="such as incident.duckdb")
    parser.add_argument("--at", metavar="T", required=True, help="the moment that it shows: 2026-11-20T03:12Z")
    parser.add_argument(
        "--span", metavar="S", default=SPAN, help=f"how much time around it, half on each side ({SPAN})"
    )
    parser.add_argument("--force", action="store_true", help="replace the file when there is one")
    add_source_options(parser)
    parser.set_defaults(run=bundle)


def bundle(options: argparse.Namespace) -> None:
    """Write the bundle, and say what can be done with it."""
    from proxmon.client import read_moment  # noqa: PLC0415 - pandas takes a second

    at, half = read_moment(options.at), read_timedelta(options.span) / 2
    now, file = utc_now(), Path(options.file)
    if at > now:
        raise QueryError("Choose a moment that has come: --at 2026-11-20T03:12Z.")
    if half <= timedelta(0):
        raise QueryError("Choose a span of some time: --span 2h.")
    if file.exists() and not options.force:
        raise ConflictError(f"Choose another name, or --force: {file} is there already.")
    write, kind = load_part("bundle"), load_part("bundle request")
    request = kind(options.host, at, at - half, min(at + half, now))
    fleet = connect_as_said(options)
    with fleet.hold():
        samples = write(fleet, request, file)
    print(f"{file}: {samples} samples of {options.host}. Show it with", file=sys.stderr)
    print(f"  proxmon serve --data {file} --read-only", file=sys.stderr)
