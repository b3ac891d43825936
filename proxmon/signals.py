"""The signals that end the server, and a terminal that is closed under it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence


def ending_signals() -> list[signal.Signals]:
    """List the signals that end the server; a closed terminal does not where that is ignored, as by ``nohup``."""
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([] if is_ignored else [signal.SIGHUP])]


def leave(outputs: Sequence[int]) -> None:
    """Let what is written to these go nowhere: to write to a terminal that was closed fails."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in outputs:
        os.dup2(nowhere, output)
    os.close(nowhere)
