"""``proxmon tokens …``: tokens for the JSON API, the metrics and notebooks."""

from __future__ import annotations

import argparse
import sys

from proxmon.cli.administration import open_administration
from proxmon.cli.hosts import print_table
from proxmon.cli.options import Commands, add_data_option, add_json_option, print_json, settings_of


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("tokens", help="tokens for the JSON API, the metrics and notebooks")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add(actions, "list", list_tokens, "list all tokens by name; the tokens themselves are not kept")
    add = _add(actions, "add", add_token, "add a token and print it, this once")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--role", default="reader", choices=("reader", "admin"), help="what it allows (reader)")
    _add(actions, "revoke", revoke_token, "refuse a token from now on").add_argument("name", metavar="NAME")


def _add(actions: Commands, name: str, run: object, text: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text)
    add_data_option(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)
    return parser


def list_tokens(options: argparse.Namespace) -> None:
    """Print all tokens' names and roles."""
    rows = open_administration(settings_of(options)).list_tokens()
    if options.json:
        print_json(rows)
    elif not rows:
        print("No token yet: add one with `proxmon tokens add NAME`.")
    else:
        print_table(("NAME", "ROLE", "CREATED"), [(row["name"], row["role"], row["created_at"]) for row in rows])


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
    if options.json:
        print_json({"name": options.name, "revoked": True})
    else:
        print(f"Revoked {options.name}.")
