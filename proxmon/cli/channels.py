"""``proxmon channels …``: where alerts are told, whether the server runs or not."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from proxmon.cli.administration import open_administration
from proxmon.cli.options import Commands, add_action, add_group, settings_of
from proxmon.cli.printing import Row, print_done, print_rows
from proxmon.errors import SettingsError


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    actions = add_group(commands, "channels", "add, list, test and delete channels, where alerts are told")
    add_action(actions, "list", list_channels, "list all channels; their addresses are never shown")
    add = add_action(actions, "add", add_channel, "add a channel; its address, a secret, is read from standard input")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--severity", choices=("warning", "critical"), help="the least that is told (warning)")
    add.add_argument("--hosts", metavar="PATTERNS", help="patterns of hosts, comma separated (*)")
    add.add_argument("--quiet-hours", metavar="HOURS", help="when messages wait: 'daily 22:00-07:00 Europe/Berlin'")
    add.add_argument("--no-ends", action="store_true", help="do not tell that an alert has ended")
    add_action(actions, "test", test_channel, "send a test message").add_argument("name", metavar="NAME")
    add_action(actions, "pause", pause_channel, "let messages wait until it is resumed").add_argument(
        "name", metavar="NAME"
    )
    add_action(actions, "resume", resume_channel, "tell what has waited, and go on").add_argument(
        "name", metavar="NAME"
    )
    add_action(actions, "delete", delete_channel, "delete a channel with its address").add_argument(
        "name", metavar="NAME"
    )


def list_channels(options: argparse.Namespace) -> None:
    """Print all channels."""
    rows = open_administration(settings_of(options)).list_channels()
    none = "No channel yet: add one with `proxmon channels add NAME`."
    print_rows(options, rows, ("NAME", "SERVICE", "TELLS", "HOSTS", "QUIET", "STATE"), _row, none=none)


def _row(row: Row) -> tuple[str, ...]:
    tells = row["severity"] + (" and worse" if row["severity"] == "warning" else "")
    return (row["name"], row["service"], tells, row["hosts"], row["quiet_hours"] or "-", _state(row))


def _state(row: Row) -> str:
    return f"paused since {row['paused_at'][:16].replace('T', ' ')} UTC" if row["paused_at"] else row["error"] or "ok"


def add_channel(options: argparse.Namespace) -> None:
    """Add a channel; a command line would show its address to every user of the machine."""
    wish: dict[str, Any] = {"name": options.name, "url": _read_address(), "tells_ends": not options.no_ends}
    chosen = {"severity": options.severity, "hosts": options.hosts, "quiet_hours": options.quiet_hours}
    wish |= {key: value for key, value in chosen.items() if value is not None}
    row = open_administration(settings_of(options)).add_channel(wish)
    words = f"Added {row['name']} ({row['service']}). Try it with `proxmon channels test {row['name']}`."
    print_done(options, row, words)


def _read_address() -> str:
    is_typed = sys.stdin.isatty()
    address = getpass.getpass("Address, as Apprise reads it: ") if is_typed else sys.stdin.readline()
    if not address.strip():
        raise SettingsError("Give the channel's address on standard input: it is a secret, and no argument.")
    return address.strip()


def test_channel(options: argparse.Namespace) -> None:
    """Send a test message and say whether it was accepted."""
    open_administration(settings_of(options)).test_channel(options.name)
    print_done(options, {"name": options.name, "accepted": True}, f"{options.name} accepted the message.")


def pause_channel(options: argparse.Namespace) -> None:
    """Pause a channel."""
    _change(options, {"paused": True}, f"{options.name} is paused; what it is to tell waits.")


def resume_channel(options: argparse.Namespace) -> None:
    """Resume a channel."""
    _change(options, {"paused": False}, f"{options.name} was resumed; what has waited is told while a server runs.")


def _change(options: argparse.Namespace, wish: Row, words: str) -> None:
    print_done(options, open_administration(settings_of(options)).change_channel(options.name, wish), words)


def delete_channel(options: argparse.Namespace) -> None:
    """Delete a channel."""
    open_administration(settings_of(options)).delete_channel(options.name)
    print_done(options, {"name": options.name, "deleted": True}, f"Deleted {options.name}.")
