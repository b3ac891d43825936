"""``proxmon export``: the rows of a view as Parquet or CSV, whether the server runs or not, here or elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from proxmon.cli.options import Commands, add_source_options, connect_as_said
from proxmon.errors import ConflictError, QueryError, StoreUnavailableError

STANDARD_OUTPUT = "-"


def add_commands(commands: Commands) -> None:
    """Add the command."""
    text = "write the rows of a view to a file, as Parquet or CSV; without a view, list the views"
    parser = commands.add_parser("export", help=text, description=f"{text}. docs/store.md explains each.")
    parser.add_argument("view", metavar="VIEW", nargs="?", help="such as host_samples, zpool_1h, events")
    parser.add_argument("file", metavar="FILE", nargs="?", default=STANDARD_OUTPUT, help="default: standard output")
    parser.add_argument("--since", metavar="T", help="rows from this moment on: 2026-11-20T03:12Z, or a span: 24h, 7d")
    parser.add_argument("--until", metavar="T", help="rows before this moment")
    parser.add_argument("--host", metavar="NAME", help="rows of this host")
    parser.add_argument("--format", choices=["parquet", "csv"], help="default: as the file's name ends, else CSV")
    parser.add_argument("--force", action="store_true", help="replace the file when there is one")
    add_source_options(parser)
    parser.set_defaults(run=export_view)


def export_view(options: argparse.Namespace) -> None:
    """Write the rows, and say on standard error how many."""
    # Arrow and pandas take a second to load, which no other command should wait for.
    from proxmon.client import read_span  # noqa: PLC0415
    from proxmon.client.exports import ExportRequest, Format, export, list_views  # noqa: PLC0415

    fleet = connect_as_said(options)
    if options.view is None:
        print("\n".join(list_views(fleet)))
        return
    since, until = read_span(options.since, options.until)
    request = ExportRequest(options.view, since, until, options.host)
    kind = Format(options.format or _ending(options.file))
    with opened(options.file, is_binary=kind is Format.PARQUET, is_forced=options.force) as target, fleet.hold():
        rows = export(fleet, request, kind, target)
    print(f"{rows} rows of {options.view}", file=sys.stderr)


def _ending(file: str) -> str:
    ending = Path(file).suffix.lower().removeprefix(".")
    if file != STANDARD_OUTPUT and ending not in ("parquet", "csv"):
        raise QueryError("Let the file's name end in .parquet or .csv, or choose with --format.")
    return ending or "csv"


@contextmanager
def opened(file: str, *, is_binary: bool, is_forced: bool) -> Generator[IO[bytes]]:
    """Give the target; a file appears under its name when all is in it, and never in part.

    Raises:
        ConflictError: there is a file of that name, and it was not said to replace it.
        QueryError: the rows would be written to a terminal that cannot show them.
        StoreUnavailableError: it cannot be written.
    """
    if file == STANDARD_OUTPUT:
        if is_binary and sys.stdout.isatty():
            raise QueryError("Name a file: a terminal does not show Parquet.")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    if path.exists() and not is_forced:
        raise ConflictError(f"Choose another name, or --force: {path} is there already.")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        part.replace(path)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StoreUnavailableError(f"The file {path} could not be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
