"""Makes ``panel serve app.py`` serve the monitor: the same server as ``proxmon serve``, with Panel's own options.

Panel loads this module through the entry point ``panel.auth``, the only one that every ``panel serve`` reads. It
teaches Panel's command one thing: our app.py is handed over to our own server. Every other file is left to Panel.
"""

from __future__ import annotations

import os
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

from bokeh.command.subcommands.serve import Serve

from proxmon.config import Settings, read_settings
from proxmon.errors import ProxmonError
from proxmon.parts import load_part

_invoke = Serve.invoke


def invoke(command: Serve, args: Namespace) -> None:
    """Serve the monitor when one of the files is our app.py, else do what Panel does."""
    if not any(is_our_app(file) for file in args.files):
        return _invoke(command, args)
    try:
        load_part("serve")(panel_settings(args))
    except ProxmonError as error:
        raise SystemExit(f"proxmon: {error}") from error


def is_our_app(file: str) -> bool:
    """Tell whether the file is the composition root of this installation, or the same one elsewhere."""
    installed = find_spec("app")
    if installed is None or installed.origin is None or Path(file).name != "app.py":
        return False
    ours, given = Path(installed.origin), Path(file)
    return given.is_file() and given.read_bytes() == ours.read_bytes()


def panel_settings(args: Namespace) -> Settings:
    """Return the settings, with those of Panel's options that mean the same."""
    if args.num_procs != 1:
        raise SystemExit("proxmon: serve with one process: it alone writes the store.")
    origins = args.allow_websocket_origin
    return read_settings(
        os.environ,
        address=args.address,
        port=args.port,
        prefix=args.prefix,
        origins=",".join(origins) if origins else None,
        trust_proxy=args.use_xheaders or None,
    )


Serve.invoke = invoke  # pyright: ignore[reportAttributeAccessIssue] - Bokeh offers no hook before its server is made


class HandedOver:
    """What the entry point names: a provider of logins that cannot be chosen by itself."""
