"""The signals that end the server, the one that asks what it does, and a terminal that is closed under it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
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


def tell_stacks(output: int) -> None:
    """Write to a file descriptor where each thread is whenever SIGUSR1 comes.

    A thread of its own waits for the signal, so that the main one may hang. The interpreter's ``faulthandler`` reads
    the stacks while they change, and measured, that has ended a busy server with a segmentation fault.
    """

    def tell(number: int, frame: object) -> None:
        _tell(output)

    # Threads that a library began before may hear it instead, which would end the process.
    signal.signal(signal.SIGUSR1, tell)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    threading.Thread(target=_tell_each_time, args=(output,), name="stacks", daemon=True).start()


def _tell_each_time(output: int) -> None:
    while True:
        signal.sigwait({signal.SIGUSR1})
        _tell(output)


def _tell(output: int) -> None:
    """Write the stacks of all threads, the main one last."""
    main, names = threading.main_thread().ident, {one.ident: one.name for one in threading.enumerate()}
    stacks = sys._current_frames()  # pyright: ignore[reportPrivateUsage] - what Python offers for this
    frames = sorted(stacks.items(), key=lambda item: item[0] == main)
    told = (
        f"Thread {names.get(ident, ident)}, most recent call last:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in frames
    )
    os.write(output, "\n".join(told).encode(errors="replace"))
