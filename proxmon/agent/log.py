"""The agent's log: lines on standard error, which systemd keeps in the journal."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger("proxmon-agent")


def start_logging(verbose: bool = False) -> None:
    """Send the agent's log lines to standard error, without dates: the journal adds its own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
