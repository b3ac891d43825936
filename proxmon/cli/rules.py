"""``proxmon rules …``: checks the file of rules, and shows what holds on a host."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from proxmon.cli.administration import open_administration
from proxmon.cli.options import Commands, add_action, add_group, settings_of
from proxmon.cli.printing import Row, print_json, print_table
from proxmon.errors import NotFoundError, RulesError
from proxmon.rulebook.explain import Effective, explain_host
from proxmon.rulebook.file import load_book
from proxmon.rulebook.reading import read_rules_file, read_text
from proxmon.rules.words import span


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    actions = add_group(commands, "rules", "check your own rules, and show what holds on a host")
    check = add_action(actions, "check", check_rules, "say by line and key what cannot be used; 0 when all of it can")
    check.add_argument("file", metavar="FILE", nargs="?", help="another file than the data directory's rules.toml")
    played = add_action(actions, "rehearse", rehearse_rules, "say what a file would have done on the stored samples")
    played.add_argument("file", metavar="FILE")
    played.add_argument("--days", type=float, default=7.0, metavar="N", help="how many days to look back (7)")
    show = add_action(actions, "show", show_rules, "show what holds on a host, and where each value comes from")
    show.add_argument("host", metavar="HOST")


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


def rehearse_rules(options: argparse.Namespace) -> None:
    """Print what a file would have done."""
    path = Path(options.file)
    if not path.is_file():
        raise NotFoundError(f"Name a file that exists: {path} does not.")
    told = open_administration(settings_of(options)).rehearse(read_text(path), options.days)
    if options.json:
        print_json(told)
        return
    print(_span_words(told))
    for side in ("present", "edited"):
        found = told[side]
        words = f"{found['count']} alerts on {found['hosts']} hosts, {span(found['seconds'])} in all"
        print(f"  {side + ' rules:':<15} {words}")
    rows = [_alert_row(row) for row in told["alerts"] if row["change"] != "same"]
    if rows:
        print_table(("CHANGE", "OPENED", "LASTED", "SEVERITY", "HOST", "RULE", "SUBJECT"), rows)


def _span_words(told: Row) -> str:
    began = told["first_at"] or "no sample"
    words = f"{told['samples']} samples, from {began} to {told['until']}"
    words += f", one every {told['step_seconds']:g} s" if told["step_seconds"] else ""
    return words + (", then time was up" if told["is_cut"] else "")


def _alert_row(row: Row) -> tuple[str, ...]:
    lasted = span(row["seconds"]) + ("" if row["closed_at"] else ", open")
    return (row["change"], row["opened_at"], lasted, row["severity"], row["host"], row["rule"], row["subject"])


def show_rules(options: argparse.Namespace) -> None:
    """Print what holds on a host."""
    settings = settings_of(options)
    if all(row["name"] != options.host for row in open_administration(settings).list_hosts()):
        raise NotFoundError(f"Name a host that `proxmon hosts list` lists: {options.host} is none.")
    found = explain_host(load_book(settings), options.host)
    if options.json:
        print_json([asdict(one) for one in found])
    else:
        print_table(("RULE", "FOR", "KEY", "VALUE", "FROM"), [_row(one) for one in found])


def _row(one: Effective) -> tuple[str, ...]:
    value = str(one.value).lower() if isinstance(one.value, bool) else _plain(one.value)
    return (one.rule, one.subject or "-", one.key, value, one.origin)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | int) else str(value)
