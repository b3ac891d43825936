"""``proxmon tokens …``: tokens for the JSON API, the metrics and notebooks."""

from __future__ import annotations

import argparse
import sys

from proxmon.cli.administration import open_administration
from proxmon.cli.options import Commands, add_action, add_group, settings_of
from proxmon.cli.printing import Row, print_done, print_json, print_rows


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    actions = add_group(commands, "tokens", "tokens for the JSON API, the metrics and notebooks")
    add_action(actions, "list", list_tokens, "list all tokens by name; the tokens themselves are not kept")
    add = add_action(actions, "add", add_token, "add a token and print it, this once")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--role", default="reader", choices=("reader", "admin"), help="what it allows (reader)")
    add_action(actions, "revoke", revoke_token, "refuse a token from now on").add_argument("name", metavar="NAME")


def list_tokens(options: argparse.Namespace) -> None:
    """Print all tokens' names and roles."""
    rows = open_administration(settings_of(options)).list_tokens()
    none = "No token yet: add one with `proxmon tokens add NAME`."
    print_rows(options, rows, ("NAME", "ROLE", "CREATED"), _row, none=none)


def _row(row: Row) -> tuple[str, ...]:
    return (row["name"], row["role"], row["created_at"])


def add_token(options: argparse.Namespace) -> None:
    """Add a token and print it."""
    row = open_administration(settings_of(options)).add_token(options.name, options.role)
    if options.json:
        print_json({"name": row["name"], "token": row["token"]})
        return
    print(row["token"])
    print("This token is shown once.", file=sys.stderr)


def revoke_token(options: argparse.Namespace) -> None:
    """Revoke a token."""
    open_administration(settings_of(options)).revoke_token(options.name)
    print_done(options, {"name": options.name, "revoked": True}, f"Revoked {options.name}.")
