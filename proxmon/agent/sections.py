"""Gathers the sections of a tier at the same time and makes them one sample, whatever becomes of each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from .flights import Flight, StillWaitingError
from .log import log
from .message import iso_utc, sample_text
from .programs import ProgramError

Section = dict[str, Any]
Collect = Callable[[], Section]


class SectionError(Exception):
    """A section cannot be collected; the text says why, for a person to read."""


class TierPlan(NamedTuple):
    """One tier: how often, how long one section may keep the others waiting, and what it is made of."""

    name: str
    interval_seconds: float
    wait_seconds: float
    sections: Mapping[str, Collect]


class TierCollector:
    """Makes samples of one tier; a section that is late or fails says so in its place."""

    def __init__(self, plan: TierPlan, wall_clock: Callable[[], float] = time.time) -> None:
        self.plan = plan
        self._wall_clock = wall_clock
        self._flights = {name: Flight(name, collect) for name, collect in plan.sections.items()}
        self._last_collected_at = 0.0
        self._told: dict[str, str] = {}

    def collect(self, extra: Callable[[], Section] = dict) -> bytes:
        """Return one sample as JSON text; `extra` gives further sections once the others are there."""
        collected_at = self._next_moment()
        payload = self.gather()
        payload.update(extra())
        return sample_text(self.plan.name, iso_utc(collected_at), payload)

    def gather(self) -> dict[str, Any]:
        """Ask all sections at once and return what they answered in time."""
        for flight in self._flights.values():
            flight.start()
        deadline = time.monotonic() + self.plan.wait_seconds
        payload = {name: self._answer(name, flight, deadline) for name, flight in self._flights.items()}
        for name, section in list(payload.items()):
            if "incomplete" in section:
                # What was had counts; what is missing is a failed section of its own, so that nobody overlooks it.
                payload[f"{name}_detail"] = {"error": section["incomplete"]}
        return payload

    def seconds_taken(self) -> dict[str, float]:
        """Return how long each section took last time."""
        return {name: round(flight.seconds_taken, 4) for name, flight in self._flights.items()}

    def _answer(self, name: str, flight: Flight[Section], deadline: float) -> Section:
        try:
            section = flight.answer(deadline - time.monotonic())
        except (ProgramError, SectionError, StillWaitingError) as error:
            return self._failed(name, str(error))
        except OSError as error:
            return self._failed(name, f"{error.filename or name}: {error.strerror or error}")
        except Exception as error:  # one section that meets the unforeseen must not stop the rest
            if f"{error!r}" != self._told.get(name):
                log.exception("section %s failed", name)
            self._told[name] = f"{error!r}"
            return {"error": f"unexpected {type(error).__name__}: {error}"}
        self._told.pop(name, None)
        return section

    def _failed(self, name: str, reason: str) -> Section:
        """Say a failure once; numbers in it may grow without making it another one."""
        kind = "".join(char for char in reason if not char.isdigit())
        if self._told.get(name) != kind:
            self._told[name] = kind
            log.warning("section %s: %s", name, reason)
        return {"error": reason}

    def _next_moment(self) -> float:
        """Return now, never the same microsecond twice: host, tier and moment identify a sample."""
        now = self._wall_clock()
        if round(now * 1e6) == round(self._last_collected_at * 1e6):
            now += 1e-6
        self._last_collected_at = now
        return now
