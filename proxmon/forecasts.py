"""The forecasts of the fleet, made anew every hour beside the event loop, and given to the hosts they are about."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from proxmon.board import Board
from proxmon.errors import ProxmonError
from proxmon.fleet import HostSnapshot
from proxmon.forecast import DailyValues, Forecast, ForecastKey, Quota, forecast
from proxmon.payload import Dataset, FastPayload, MediumPayload, Tier

log = logging.getLogger(__name__)

REFRESH = timedelta(hours=1)
HISTORY_DAYS = 120
PAUSE_SECONDS = 0.002  # after each forecast, which takes some milliseconds: the server goes on meanwhile


class DailyStore(Protocol):
    """What forecasts ask of the store; every method may block."""

    def list_daily(self, until: datetime, days: int, quotas: Sequence[Quota]) -> list[DailyValues]:
        """List one value a day of what can get full."""
        ...


class ForecastDesk:
    """Keeps the forecasts of a board up to date. It belongs to the event loop's thread."""

    def __init__(self, store: DailyStore, board: Board) -> None:
        self._store, self._board = store, board
        self._due_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def tick(self) -> None:
        """Begin anew when an hour has passed."""
        now = self._board.clock()
        if self._task is None and (self._due_at is None or now >= self._due_at):
            self._due_at = now + REFRESH
            self._task = asyncio.get_running_loop().create_task(self._refresh())

    async def refresh(self) -> None:
        """Make all forecasts anew."""
        hosts, now = self._board.fleet.list_hosts(), self._board.clock()
        made = await asyncio.to_thread(forecast_all, self._store, hosts, now)
        for host in hosts:
            self._board.learn(host.host.id, made.get(host.host.id, {}))
            await asyncio.sleep(0)

    async def _refresh(self) -> None:
        try:
            await self.refresh()
        except ProxmonError as error:
            log.warning("No forecasts were made: %s", error)
        finally:
            self._task = None


def forecast_all(
    store: DailyStore, hosts: Iterable[HostSnapshot], now: datetime
) -> dict[int, dict[ForecastKey, Forecast]]:
    """Return the forecasts of every host by kind and subject; of what is not there any more there is none."""
    listed = {host.host.id: set(_subjects(host)) for host in hosts}
    quotas = [quota for host in hosts for quota in list_quotas(host)]
    made: dict[int, dict[ForecastKey, Forecast]] = {}
    for one in store.list_daily(now, HISTORY_DAYS, quotas):
        if one.limit and one.key in listed.get(one.host_id, ()):
            made.setdefault(one.host_id, {})[one.key] = forecast(one.values, one.limit, now)
            time.sleep(PAUSE_SECONDS)
    return made


def _subjects(host: HostSnapshot) -> Iterable[ForecastKey]:
    """Give what can get full on a host; a storage on a zpool gets full with the pool."""
    fast = host.samples.get(Tier.FAST)
    if fast is not None and isinstance(fast.payload, FastPayload):
        pools, storages = fast.payload.zfs_pools, fast.payload.storage
        yield from (("zpool", pool.name) for pool in (pools.pools if pools else None) or ())
        listed = (storages.storages if storages else None) or ()
        yield from (("storage", one.name) for one in listed if one.type != "zfspool" and one.active is not False)
    yield from (("dataset", quota.dataset) for quota in list_quotas(host))


def list_quotas(host: HostSnapshot) -> list[Quota]:
    """List the datasets of a host that have a quota."""
    medium = host.samples.get(Tier.MEDIUM)
    section = medium.payload.zfs_datasets if medium and isinstance(medium.payload, MediumPayload) else None
    found = ((one, _quota(one)) for one in (section.datasets if section else None) or ())
    return [Quota(host.host.id, one.name, quota) for one, quota in found if quota]


def _quota(dataset: Dataset) -> float | None:
    limits = [one for one in (dataset.quota_bytes, dataset.refquota_bytes) if one]
    return min(limits, default=None)
