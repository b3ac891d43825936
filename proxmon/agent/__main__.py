"""Starts the agent as a program of its own: `python -m proxmon.agent`, or the one-file archive."""

from __future__ import annotations

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
