"""What several commands print alike: JSON for programs, tables and sentences for people."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

Row = dict[str, Any]


def print_json(value: object) -> None:
    """Print a value as JSON, also one that holds payloads as they came."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns as wide as they need."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_rows(
    options: argparse.Namespace,
    rows: list[Row],
    head: tuple[str, ...],
    cells: Callable[[Row], tuple[str, ...]],
    *,
    none: str,
) -> None:
    """Print a list as JSON or as a table, whose cells are made of each row; ``none`` stands for an empty one."""
    if options.json:
        print_json(rows)
    elif not rows:
        print(none)
    else:
        print_table(head, [cells(row) for row in rows])


def print_done(options: argparse.Namespace, value: object, sentence: str) -> None:
    """Print what was done: a value for programs, a sentence for people."""
    if options.json:
        print_json(value)
    else:
        print(sentence)
