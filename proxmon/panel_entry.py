"""Makes ``panel serve app.py`` serve the monitor: the same server as ``proxmon serve``, with Panel's own options.

Panel loads this module through the entry point ``panel.auth``, the only one that every ``panel serve`` reads. It
teaches Panel's command one thing: our app.py is handed over to our own server. Every other file is left to Panel, and
nothing else of ours is imported for it: our packages have names that a stranger's own may have too.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from glob import glob
from pathlib import Path

from bokeh.command.subcommands.serve import Serve

from proxmon.errors import ProxmonError
from proxmon.parts import is_composition_root, load_part

_invoke = Serve.invoke


def invoke(command: Serve, args: Namespace) -> None:
    """Serve the monitor when one of the files is our app.py, else do what Panel does."""
    files = [Path(file) for given in args.files for file in (glob(given) if args.glob else [given])]  # noqa: PTH207 - as Bokeh reads them
    if not any(is_composition_root(file) for file in files):
        return _invoke(command, args)
    try:
        load_part("panel")(command, files, args)
    except ProxmonError as error:
        print(f"proxmon: {error}", file=sys.stderr)
        raise SystemExit(1) from error


Serve.invoke = invoke  # pyright: ignore[reportAttributeAccessIssue] - Bokeh offers no hook before its server is made


class HandedOver:
    """What the entry point names: a provider of logins that cannot be chosen by itself."""
