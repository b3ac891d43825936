"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from proxmon.config import Settings, read_settings

Commands = Any  # argparse's `_SubParsersAction`, which has no public name


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``."""
    parser.add_argument("--data", metavar="DIR", help="data directory (PROXMON_DATA)")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings from the environment, with the options that were given."""
    names = ("data", "address", "port", "prefix")
    return read_settings(os.environ, **{name: getattr(options, name, None) for name in names})


def print_json(value: object) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2))
