"""The newest sections of a host, as the pages read them, and why one of them cannot be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboards.formats import unix
from proxmon.board import JudgedHost
from proxmon.findings import Status
from proxmon.payload import (
    DatasetsSection,
    FastPayload,
    HostSection,
    MediumPayload,
    Pool,
    PoolsSection,
    SlowPayload,
    StoragesSection,
    SystemSection,
    Tier,
)
from proxmon.rulebook.book import RuleBook
from proxmon.rules.base import Case, why_unknown
from proxmon.samples import Sample


@dataclass(frozen=True, slots=True)
class Newest:
    """A host at a moment, with its newest samples by section."""

    judged: JudgedHost
    rules: RuleBook
    now: datetime

    @property
    def is_offline(self) -> bool:
        """Tell whether the samples no longer speak for the host."""
        return self.judged.status.status is Status.OFFLINE

    def sample(self, tier: Tier) -> Sample | None:
        """Return the newest sample of a tier, however old it is."""
        return self.judged.snapshot.samples.get(tier)

    def why_missing(self, tier: Tier, section: str) -> str | None:
        """Say why a section has nothing to say about now; None when it has."""
        case = Case.of(self.judged.snapshot, self.rules, self.now)
        return why_unknown(case, self.sample(tier), tier, section)

    def is_current(self, tier: Tier, section: str) -> bool:
        """Tell whether a section speaks for the host now."""
        return not self.is_offline and self.why_missing(tier, section) is None

    @property
    def moments(self) -> dict[str, datetime]:
        """Return the moments that every sample moves, by name: the browser is told them apart from the sections."""
        snapshot = self.judged.snapshot
        found = {tier.value: sample.fresh_at for tier, sample in snapshot.samples.items()}
        if snapshot.last_seen_at is not None:
            found["seen"] = snapshot.last_seen_at
        if snapshot.newest_sample is not None:
            found["received"] = snapshot.newest_sample.received_at
        return found

    def moment(self, at: datetime | None) -> str | float | None:
        """Return the name of a moment that has one, or else its seconds since 1970."""
        named = next((name for name, moment in self.moments.items() if moment == at), None)
        return named if named is not None else unix(at)

    @property
    def fast(self) -> FastPayload:
        """Return the newest fast payload, empty where there is none."""
        sample = self.sample(Tier.FAST)
        return sample.payload if sample and isinstance(sample.payload, FastPayload) else FastPayload()

    @property
    def medium(self) -> MediumPayload:
        """Return the newest medium payload, empty where there is none."""
        sample = self.sample(Tier.MEDIUM)
        return sample.payload if sample and isinstance(sample.payload, MediumPayload) else MediumPayload()

    @property
    def slow(self) -> SlowPayload:
        """Return the newest slow payload, empty where there is none."""
        sample = self.sample(Tier.SLOW)
        return sample.payload if sample and isinstance(sample.payload, SlowPayload) else SlowPayload()

    @property
    def host(self) -> HostSection:
        """Return load and memory."""
        return self.fast.host or HostSection()

    @property
    def pools(self) -> tuple[Pool, ...] | None:
        """Return the zpools; None where they are not known."""
        return (self.fast.zfs_pools or PoolsSection()).pools

    @property
    def storages(self) -> StoragesSection:
        """Return the storages."""
        return self.fast.storage or StoragesSection()

    @property
    def datasets(self) -> DatasetsSection:
        """Return the datasets."""
        return self.medium.zfs_datasets or DatasetsSection()

    @property
    def system(self) -> SystemSection:
        """Return versions and updates."""
        return self.slow.system_info or SystemSection()
