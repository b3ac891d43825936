"""``proxmon compact``: gives the room of deleted rows back to the disk."""

from __future__ import annotations

import argparse

from proxmon.cli.administration import open_administration
from proxmon.cli.options import Commands, add_action, settings_of
from proxmon.cli.printing import print_done


def add_commands(commands: Commands) -> None:
    """Add the command."""
    text = "give the room of deleted rows back to the disk, also while the server runs"
    add_action(commands, "compact", compact, text)


def compact(options: argparse.Namespace) -> None:
    """Compact the store and tell what that gained."""
    done = open_administration(settings_of(options)).compact()
    before, after = (done[name] / 2**20 for name in ("before_bytes", "after_bytes"))
    words = f"The store had {before:.0f} MiB and has {after:.0f} MiB; that took {done['seconds']:.0f} s."
    print_done(options, done, words)
