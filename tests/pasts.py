"""The demo's past in a data directory: a small one for most tests, and the full thirty days of eight hosts."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from proxmon.config import RetentionSettings, Settings
from proxmon.context import Monitor
from proxmon.demo.history import Past, write_history
from proxmon.demo.incidents import Incident, planned_incidents
from proxmon.findings import Status, Verdict
from storage import Store

BEGIN = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
Verdicts = dict[str, Verdict]
# A server on a past must not delete what is too old for today.
KEEP_EVERYTHING = {one.metadata["env"]: "0" for one in fields(RetentionSettings)}


@dataclass
class Recorded:
    """What a monitor judged at the time: each host's verdicts from a moment on until the next one."""

    judged: dict[str, list[tuple[datetime, Status, Verdicts]]] = field(
        default_factory=dict[str, list[tuple[datetime, Status, Verdicts]]]
    )

    def watch(self, monitor: Monitor) -> None:
        """Write down each change of a verdict from now on."""
        monitor.bus.subscribe(lambda _: self._note(monitor), spacing_seconds=0)

    def _note(self, monitor: Monitor) -> None:
        for judged in monitor.board.list_hosts():
            verdicts = {finding.rule: finding.verdict for finding in judged.status.findings}
            known = self.judged.setdefault(judged.name, [])
            if not known or known[-1][1:] != (judged.status.status, verdicts):
                known.append((monitor.clock(), judged.status.status, verdicts))

    def at(self, host: str, moment: datetime) -> tuple[Status, Verdicts]:
        """Return status and verdicts of a host at a moment."""
        return next(entry[1:] for entry in reversed(self.judged[host]) if entry[0] <= moment)


@dataclass(frozen=True)
class WrittenPast:
    """A past in a data directory, as it was written and as it was judged at the time."""

    directory: Path
    hosts: int
    days: float
    past: Past
    recorded: Recorded

    @property
    def starts_at(self) -> datetime:
        """Return the first moment."""
        return BEGIN - timedelta(days=self.days)

    @property
    def incidents(self) -> list[Incident]:
        """Return what was planned to be wrong."""
        return planned_incidents(BEGIN, self.hosts, self.days)

    def copied_to(self, directory: Path) -> Path:
        """Copy the data directory, for tests that write to it or run a server on it; returns where."""
        shutil.copytree(self.directory, directory)
        return directory


def a_past(
    directory: Path, hosts: int = 2, days: float = 3.0, retention: RetentionSettings | None = None
) -> WrittenPast:
    """Write a past into a new data directory; ``retention`` deletes what is too old on the way, as a server does."""
    recorded = Recorded()
    # What the store does by itself goes by the wall's clock, which is no part of this past.
    with patch("storage.upkeep.ROLLUP_INTERVAL_SECONDS", 86_400.0):
        store = Store.open(directory, retention=retention)
    try:
        past = write_history(store, Settings(data=str(directory)), BEGIN, hosts=hosts, days=days, watch=recorded.watch)
    finally:
        store.close()
    return WrittenPast(directory, hosts, days, past, recorded)
