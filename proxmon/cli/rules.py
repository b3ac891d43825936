"""``proxmon rules …``: checks the file of rules, and shows what holds on a host."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from proxmon.cli.hosts import print_table
from proxmon.cli.options import Commands, add_data_option, add_json_option, print_json, settings_of
from proxmon.errors import NotFoundError, RulesError
from proxmon.rulebook.explain import Effective, explain_host
from proxmon.rulebook.file import load_book
from proxmon.rulebook.reading import read_rules_file


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("rules", help="check your own rules, and show what holds on a host")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = _add(actions, "check", check_rules, "say by line and key what cannot be used; 0 when all of it can")
    check.add_argument("file", metavar="FILE", nargs="?", help="another file than the data directory's rules.toml")
    show = _add(actions, "show", show_rules, "show what holds on a host, and where each value comes from")
    show.add_argument("host", metavar="HOST")


def _add(actions: Commands, name: str, run: object, text: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text)
    add_data_option(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)
    return parser


def check_rules(options: argparse.Namespace) -> int:
    """Check a file."""
    settings = settings_of(options)
    path = Path(options.file) if options.file else settings.rules_path
    if not path.is_file():
        raise NotFoundError(f"Name a file that exists: {path} does not. Without one, the settings alone hold.")
    try:
        entries, problems = read_rules_file(path, settings.rules), ()
    except RulesError as error:
        entries, problems = (), error.problems
    if options.json:
        print_json({"file": str(path), "entries": len(entries), "problems": list(problems)})
    elif problems:
        print("\n".join(f"{path}: {problem}" for problem in problems), file=sys.stderr)
    else:
        print(f"{path}: {len(entries)} rules, all of which can be used.")
    return 1 if problems else 0


def show_rules(options: argparse.Namespace) -> None:
    """Print what holds on a host."""
    found = explain_host(load_book(settings_of(options)), options.host)
    if options.json:
        print_json([asdict(one) for one in found])
    else:
        print_table(("RULE", "FOR", "KEY", "VALUE", "FROM"), [_row(one) for one in found])


def _row(one: Effective) -> tuple[str, ...]:
    value = str(one.value).lower() if isinstance(one.value, bool) else _plain(one.value)
    return (one.rule, one.subject or "-", one.key, value, one.origin)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | int) else str(value)
