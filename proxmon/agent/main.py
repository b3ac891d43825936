"""The agent's command: watch this machine and send what it finds to a proxmon server."""

from __future__ import annotations

import os
import signal
import sys
import time

from . import selfreport
from .delivery import Delivery
from .log import log, start_logging
from .machine import DEFAULT_PATH, Machine
from .message import Envelope
from .programs import Programs
from .running import Agent
from .settings import Settings, SettingsError, read_config, read_settings, warnings
from .spool import Spool
from .tiers import build_tiers
from .transport import Transport
from .version import VERSION


def main(argv: list[str] | None = None) -> int:
    """Run the agent; 0 is a clean stop, 1 that `--once` or `--check` failed, 2 that the settings cannot be."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["parse"]:
        from . import parse  # noqa: PLC0415 - the running agent does not need it in memory

        return parse.main(words[1:])
    try:
        config = read_config(words, os.environ)
        settings = read_settings(words, os.environ, config)
    except SettingsError as error:
        print(f"proxmon agent: {error}", file=sys.stderr)
        return 2
    start_logging(settings.verbose)
    for warning in warnings(words, settings, config):
        log.warning("%s", warning)
    if settings.check and settings.server:
        return check_server(settings)
    machine = Machine(settings.root, Programs(settings.path or os.environ.get("PATH") or DEFAULT_PATH))
    if settings.once or not settings.server:
        return run_once(settings, machine)
    return run_until_stopped(settings, machine)


def run_until_stopped(settings: Settings, machine: Machine) -> int:
    """Run until SIGTERM or SIGINT."""
    told = catch_signals()
    agent = Agent(settings, machine, VERSION)
    log.info("proxmon agent %s sends to %s every %g s", VERSION, settings.server, settings.interval)
    started_at = time.monotonic()
    agent.start()
    os.read(told, 1)
    agent.stop()
    if settings.self_report:
        print(selfreport.describe(agent.own_cost(), time.monotonic() - started_at))
    log.info("stopped")
    return 0


def catch_signals() -> int:
    """Return a file descriptor that can be read once SIGTERM or SIGINT came.

    A handler that set an event would hang on the event's own lock when the other signal came in the midst of it.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    return reader


def check_server(settings: Settings) -> int:
    """Try server and token with a message without samples, which changes nothing there."""
    transport = Transport(settings.server, settings.ca_file, f"proxmon-agent/{VERSION}")
    delivery = Delivery(Spool(None, 10, 2**30), transport, settings.token, Envelope(VERSION, settings.intervals))
    trouble = delivery.check()
    delivery.close()
    print(trouble or f"{settings.server} takes this host's token", file=sys.stderr if trouble else sys.stdout)
    return 1 if trouble else 0


def run_once(settings: Settings, machine: Machine) -> int:
    """Collect every tier once and send it, without a spool; without a server, only say what it cost."""
    started_at = time.monotonic()
    spool = Spool(None, 10, 2**30)
    sections: dict[str, float] = {}
    for name, tier in build_tiers(machine, settings).items():
        spool.add(name, tier.collect())
        sections.update(tier.seconds_taken())
    sent = _send_once(settings, spool) if settings.server else True
    if settings.self_report:
        agent = selfreport.cost(VERSION, machine.programs, spool, sections)
        print(selfreport.describe(agent, time.monotonic() - started_at))
    machine.programs.stop_all()
    return 0 if sent else 1


def _send_once(settings: Settings, spool: Spool) -> bool:
    transport = Transport(settings.server, settings.ca_file, f"proxmon-agent/{VERSION}")
    delivery = Delivery(spool, transport, settings.token, Envelope(VERSION, settings.intervals))
    started_at = time.monotonic()
    accepted = delivery.send_batch()
    delivery.close()
    if accepted is None:
        print(f"nothing was stored: {delivery.trouble or 'the server did not take the message'}", file=sys.stderr)
        return False
    seconds = time.monotonic() - started_at
    stored = f"{accepted.stored} samples stored, {accepted.duplicates} were there already"
    print(f"{stored}: {settings.server}, {seconds:.2f} s")
    return True
