"""The simulated fleet: what the agent of each host would send at any moment, also of the past."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from proxmon.agent.message import iso_utc
from proxmon.demo.datasets import dataset_rows
from proxmon.demo.guests import (
    BACKUP_FROM_SECONDS,
    BACKUP_GUEST_SECONDS,
    GuestState,
    detail_row,
    guest_state,
    runtime_row,
)
from proxmon.demo.machine import (
    DemoHost,
    agent_section,
    demo_host,
    host_section,
    storage_section,
    system_section,
    uptime_seconds,
)
from proxmon.demo.noise import DAY_SECONDS, between
from proxmon.demo.roles import PLANNED, Role, is_stopped, is_troubled
from proxmon.demo.zpools import Moment, pool_row
from proxmon.payload import Tier

INTERVALS: Mapping[Tier, float] = {Tier.FAST: 2.0, Tier.MEDIUM: 60.0, Tier.SLOW: 600.0}
STUCK_ERROR = "zpool status did not answer within 10 s"
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet whose troubles come and go in short rounds from ``begins_at`` on, and happened once each before.

    Everything is a function of the host's index and the moment, in true time.
    """

    begins_at: datetime

    def is_sending(self, index: int, at: datetime) -> bool:
        """Tell whether the host's agent reaches the server; a new agent's first message always does."""
        return not self.is_stopped(index, at) and not is_troubled(index, Role.SILENT, self._moment(at).seconds)

    def is_stopped(self, index: int, at: datetime) -> bool:
        """Tell whether the host's agent was stopped, and said goodbye."""
        return is_stopped(index, self._moment(at).seconds)

    def clock_offset(self, index: int, at: datetime) -> timedelta:
        """Return how far the host's clock is ahead."""
        if not is_troubled(index, Role.ADRIFT, self._moment(at).seconds):
            return timedelta(0)
        return timedelta(seconds=214 if index < len(PLANNED) else between(90, 900, "adrift", index))

    def payload(self, index: int, tier: Tier, at: datetime) -> Json:
        """Return the payload of a sample that the host's agent takes at that moment."""
        host, moment = demo_host(index), self._moment(at)
        if tier is Tier.FAST:
            return _fast(host, moment)
        return _medium(host, moment) if tier is Tier.MEDIUM else {"system_info": system_section(host, moment.seconds)}

    def message(
        self, index: int, at: datetime, tiers: Iterable[Tier] = Tier, intervals: Mapping[Tier, float] = INTERVALS
    ) -> Json:
        """Return the message that the host's agent sends at that moment, by its own clock."""
        sent_at = iso_utc((at + self.clock_offset(index, at)).timestamp())
        samples = [{"tier": tier, "collected_at": sent_at, "payload": self.payload(index, tier, at)} for tier in tiers]
        return {
            "agent_version": demo_host(index).agent_version,
            "interval_s": intervals[Tier.FAST],
            "intervals_s": dict(intervals),
            "sent_at": sent_at,
            "samples": samples,
        }

    def _moment(self, at: datetime) -> Moment:
        return Moment(at.timestamp(), self.begins_at.timestamp())


def _fast(host: DemoHost, moment: Moment) -> Json:
    states = _guest_states(host, moment.now)
    return {
        "host": host_section(host, states, moment.now),
        "zfs_pools": _pools_section(host, moment),
        "storage": storage_section(host, moment),
        "vms_runtime": {"vms": [runtime_row(state) for state in states]},
        "agent": agent_section(host, moment.now),
    }


def _medium(host: DemoHost, moment: Moment) -> Json:
    states = _guest_states(host, moment.now)
    return {
        "zfs_datasets": {"datasets": list(dataset_rows(host.index, host.layouts, host.guests, moment))},
        "vms_detail": {"vms": [detail_row(state) for state in states]},
        "backups": {"guests": [_backup_row(state, moment.now) for state in states]},
    }


def _guest_states(host: DemoHost, now: float) -> list[GuestState]:
    uptime = uptime_seconds(host.index, now)
    return [guest_state(guest, now, uptime) for guest in host.guests]


def _pools_section(host: DemoHost, moment: Moment) -> Json:
    if is_troubled(host.index, Role.STUCK, moment.seconds):
        return {"error": STUCK_ERROR}
    return {"pools": [pool_row(host.index, place, layout, moment) for place, layout in enumerate(host.layouts)]}


def _backup_row(state: GuestState, now: float) -> Json:
    guest = state.guest
    ends = BACKUP_FROM_SECONDS + (guest.place + 1) * BACKUP_GUEST_SECONDS
    newest = (now - ends) // DAY_SECONDS * DAY_SECONDS + ends
    return {"type": guest.calling.type, "vmid": guest.vmid, "newest_unix": int(newest)}
