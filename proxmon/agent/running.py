"""Runs the agent: one thread per tier collects, one thread delivers, and the main thread waits for the end."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

from . import selfreport
from .delivery import Delivery
from .log import log
from .machine import Machine
from .message import Envelope
from .programs import ProgramError, Programs
from .sections import Section, TierCollector
from .settings import Settings
from .spool import Spool
from .tiers import build_tiers
from .transport import Transport

STOP_SECONDS = 3.0
STAGGER_RATIO = 0.05  # of the fast interval between the first samples of two tiers
REASON_FILE = "stop-reason"
STATE_FILE = "state.json"


class Agent:
    """The agent in the foreground, from `start` until `stop`."""

    def __init__(self, settings: Settings, machine: Machine, version: str) -> None:
        self._settings = settings
        self._machine = machine
        self._version = version
        self._stopping = threading.Event()
        self._arrived = threading.Event()
        self._tiers = build_tiers(machine, settings)
        self._spool = Spool(settings.spool_folder, settings.spool_samples, int(settings.spool_mib * 2**20))
        self._delivery = Delivery(
            self._spool,
            Transport(settings.server, settings.ca_file, f"proxmon-agent/{version}"),
            settings.token,
            Envelope(version, settings.intervals),
            on_state=self._write_state,
        )
        self._threads = [
            threading.Thread(target=self._collect_forever, args=(tier,), name=name, daemon=True)
            for name, tier in self._tiers.items()
        ]
        self._deliverer = threading.Thread(target=self._deliver_forever, name="deliver", daemon=True)

    def start(self) -> None:
        """Begin to collect and to deliver."""
        for thread in (*self._threads, self._deliverer):
            thread.start()

    def stop(self) -> None:
        """End what runs, then say goodbye; takes a few seconds at most, samples that wait stay in the spool."""
        self._stopping.set()
        self._arrived.set()
        self._machine.programs.stop_all()
        # A sample on its way would bring the host back online after the goodbye.
        self._deliverer.join(STOP_SECONDS)
        if not self._delivery.is_away:
            farewell = Transport(self._settings.server, self._settings.ca_file, f"proxmon-agent/{self._version}")
            self._delivery.say_goodbye(farewell, self._stop_reason())
        for thread in self._threads:
            thread.join(0.1)
        self._delivery.close()
        self._spool.close()

    def _collect_forever(self, tier: TierCollector) -> None:
        # One after the other: fewer threads at once are less memory, and the host is not asked for all at once.
        delay = list(self._tiers).index(tier.plan.name) * self._settings.interval * STAGGER_RATIO
        self._stopping.wait(delay)
        due_at = self._machine.monotonic()
        while not self._stopping.is_set():
            self._collect(tier)
            now = self._machine.monotonic()
            due_at += tier.plan.interval_seconds
            due_at = max(due_at, now)  # the machine was asleep or too slow: no catching up
            self._stopping.wait(due_at - now)

    def _collect(self, tier: TierCollector) -> None:
        try:
            text = tier.collect(self._extra if tier.plan.name == "fast" else dict)
        except Exception:  # the agent goes on whatever one round met
            log.exception("a %s sample could not be collected", tier.plan.name)
            return
        if not self._stopping.is_set():
            self._spool.add(tier.plan.name, text, durable=self._delivery.is_away)
            self._arrived.set()

    def own_cost(self) -> Section:
        """Return the section `agent`."""
        sections: dict[str, float] = {}
        for tier in self._tiers.values():
            sections.update(tier.seconds_taken())
        return selfreport.cost(self._version, self._machine.programs, self._spool, sections)

    def _extra(self) -> dict[str, Section]:
        return {"agent": self.own_cost()}

    def _deliver_forever(self) -> None:
        while not self._stopping.is_set():
            self._arrived.clear()
            try:
                pause = self._delivery.step()
            except Exception:  # the agent goes on whatever one message met
                log.exception("a message could not be sent")
                pause = self._settings.interval
            if pause is None:
                self._arrived.wait()
            elif pause > 0:
                self._stopping.wait(pause)

    def _write_state(self, state: dict[str, Any]) -> None:
        """Leave a note for the installer, which waits for the first accepted sample."""
        path = os.path.join(self._settings.spool_folder, STATE_FILE)
        try:
            with open(path + ".part", "w", encoding="utf-8") as file:
                json.dump({"version": self._version, "pid": os.getpid(), **state}, file)
            os.replace(path + ".part", path)
        except OSError:
            return

    def _stop_reason(self) -> str | None:
        """Return why this host goes: what the installer left as a note, or what systemd is about to do."""
        path = os.path.join(self._settings.spool_folder, REASON_FILE)
        try:
            with open(path, encoding="utf-8") as file:
                reason = file.read(20).strip()
            os.unlink(path)
            return reason if reason in ("upgrade", "shutdown", "reboot") else None
        except (OSError, UnicodeDecodeError):
            return self._systemd_reason()

    def _systemd_reason(self) -> str | None:
        """Ask systemd for its jobs, directly: by now the agent starts no programs for its sections."""
        programs = Programs(self._settings.path or os.environ.get("PATH", ""))
        try:
            jobs = programs.run(("systemctl", "list-jobs", "--no-legend", "--no-pager"), 1.0).stdout
        except ProgramError:
            return None
        if "reboot.target" in jobs:
            return "reboot"
        return "shutdown" if "shutdown.target" in jobs else None
