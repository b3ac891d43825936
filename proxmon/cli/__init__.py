"""The command line: ``proxmon …``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from proxmon.errors import ProxmonError
from proxmon.version import __version__

DESCRIPTION = """\
A monitor for Proxmox VE hosts with ZFS: agents push samples, every open browser shows them.

Start with:
  proxmon first-look           the server and an agent for this machine, with a password for today
  proxmon demo                 the server with a simulated fleet
Then, to keep it:
  proxmon hash-password        make DASHBOARD_PASSWORD_HASH
  proxmon serve                run the server
  proxmon hosts add pve-01     add a host and print the command that installs its agent"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 refused with a sentence on standard error, 2 misused."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["agent"]:
        # The agent reads its own options: it is copied to hosts where nothing else of us is.
        from proxmon.agent.main import main as agent_main  # noqa: PLC0415

        return agent_main(arguments[1:])
    options = make_parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except ProxmonError as error:
        print(f"proxmon: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    from proxmon.cli import (  # noqa: PLC0415 - 13 MB that the agent does not need
        backups,
        bundling,
        channels,
        compacting,
        exporting,
        hosts,
        passwords,
        quacking,
        rules,
        sealing,
        serving,
        tokens,
    )

    parser = argparse.ArgumentParser(
        prog="proxmon", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"proxmon {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (
        serving,
        passwords,
        hosts,
        rules,
        tokens,
        channels,
        exporting,
        bundling,
        compacting,
        backups,
        sealing,
        quacking,
    ):
        module.add_commands(commands)
    commands.add_parser("agent", help="the agent in the foreground; `proxmon agent --help` has its options")
    return parser
