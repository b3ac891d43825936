"""``proxmon compact``: gives the room of deleted rows back to the disk."""

from __future__ import annotations

import argparse

from proxmon.cli.administration import open_administration
from proxmon.cli.options import Commands, add_data_option, add_json_option, print_json, settings_of


def add_commands(commands: Commands) -> None:
    """Add the command."""
    text = "give the room of deleted rows back to the disk, also while the server runs"
    parser = commands.add_parser("compact", help=text, description=text)
    add_data_option(parser)
    add_json_option(parser)
    parser.set_defaults(run=compact)


def compact(options: argparse.Namespace) -> None:
    """Compact the store and tell what that gained."""
    done = open_administration(settings_of(options)).compact()
    if options.json:
        print_json(done)
        return
    before, after = (done[name] / 2**20 for name in ("before_bytes", "after_bytes"))
    print(f"The store had {before:.0f} MiB and has {after:.0f} MiB; that took {done['seconds']:.0f} s.")
