"""``proxmon hosts …``: as in the admin page, whether the server runs or not."""

from __future__ import annotations

import argparse
import sys

from proxmon.cli.administration import open_administration
from proxmon.cli.options import Commands, add_action, add_group, settings_of
from proxmon.cli.printing import Row, print_done, print_json, print_rows
from proxmon.config import Settings
from proxmon.control import read_control
from proxmon.install import Reach, install_command, reach_of


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    actions = add_group(commands, "hosts", "add, list, rotate and delete hosts")
    add_action(actions, "list", list_hosts, "list all hosts with their status")
    add_action(actions, "add", add_host, "add a host and print its token, this once").add_argument(
        "name", metavar="NAME"
    )
    rotate = add_action(actions, "rotate", rotate_host, "replace a host's token; the old one is refused at once")
    rotate.add_argument("name", metavar="NAME")
    delete = add_action(actions, "delete", delete_host, "delete a host with its history")
    delete.add_argument("name", metavar="NAME")
    delete.add_argument("--keep-history", action="store_true", help="keep its samples")


def list_hosts(options: argparse.Namespace) -> None:
    """Print all hosts."""
    rows = open_administration(settings_of(options)).list_hosts()
    none = "No host yet: add one with `proxmon hosts add NAME`."
    print_rows(options, rows, ("NAME", "STATUS", "LAST SEEN", "AGENT"), _host_row, none=none)


def _host_row(row: Row) -> tuple[str, ...]:
    unknown = f" ({row['unknown']} unknown)" if row["unknown"] else ""
    return (row["name"], row["status"] + unknown, row["last_seen_at"] or "never", row["agent_version"] or "-")


def add_host(options: argparse.Namespace) -> None:
    """Add a host and print its token."""
    settings = settings_of(options)
    _print_token(options, open_administration(settings).add_host(options.name), settings)


def rotate_host(options: argparse.Namespace) -> None:
    """Replace a host's token and print the new one."""
    settings = settings_of(options)
    _print_token(options, open_administration(settings).rotate_host(options.name), settings)


def delete_host(options: argparse.Namespace) -> None:
    """Delete a host."""
    open_administration(settings_of(options)).delete_host(options.name, keep_history=options.keep_history)
    print_done(options, {"name": options.name, "deleted": True}, f"Deleted {options.name}.")


def _print_token(options: argparse.Namespace, row: Row, settings: Settings) -> None:
    if options.json:
        print_json({"name": row["name"], "token": row["token"]})
        return
    print(row["token"])
    print(
        "This token is shown once. Install the agent on the host as root, and paste the token when asked:",
        file=sys.stderr,
    )
    reach = server_reach(settings)
    print(f"  {install_command(reach.url)}", file=sys.stderr)
    if reach.note:
        print(reach.note, file=sys.stderr)


def server_reach(settings: Settings) -> Reach:
    """Return how hosts reach the server: as the running one says, else as the settings here would have it."""
    running = read_control(settings.data_directory)
    return running.reach if running and not settings.public_url else reach_of(settings)
