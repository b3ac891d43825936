"""The zpools of a host as its page shows them: what the rules say of each pool, and its vdevs as rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dashboards.forecasts import ForecastLine, find_forecast
from dashboards.formats import unix
from dashboards.newest import Newest
from proxmon.findings import SEVERITY, Verdict
from proxmon.payload import Pool, Scan, Tier, Vdev
from proxmon.rules.words import plural
from proxmon.rules.zpools import capacity_percent
from proxmon.scrubs import scrub_end
from proxmon.vdevs import walk_vdevs

POOL_RULES = ("zpool_health", "zpool_capacity", "zpool_errors", "scrub_age", "scrub_duration")
CLASSES = {"log": "Log", "cache": "Cache", "spare": "Spares", "special": "Special", "dedup": "Dedup"}


@dataclass(frozen=True, slots=True)
class VdevRow:
    """A vdev with its depth in the tree; ``heading`` names the class that begins with it."""

    vdev: Vdev
    depth: int
    heading: str = ""

    @property
    def is_healthy(self) -> bool:
        """Tell whether its state is one of those that need nobody."""
        return self.vdev.state in (None, "ONLINE", "AVAIL", "INUSE")


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool with the rules' words on it."""

    pool: Pool
    verdict: str
    capacity: float | None
    capacity_verdict: str
    complaints: tuple[tuple[str, str], ...]
    redundancy: str
    scrubbed: float | None
    running: tuple[tuple[str, float | None], ...]
    rows: tuple[VdevRow, ...]
    forecast: ForecastLine | None = None


def zpool_views(newest: Newest) -> list[PoolView]:
    """List the pools, those with the worst verdict first; an offline host's are judged unknown."""
    views = [_view(newest, pool) for pool in newest.pools or ()]
    return sorted(views, key=lambda view: SEVERITY[Verdict(view.verdict)])


def _view(newest: Newest, pool: Pool) -> PoolView:
    judged = dict(_judged(newest, pool.name))
    complaints = tuple(
        (verdict.value, words) for verdict, words in judged.values() if verdict not in (Verdict.OK, Verdict.UNKNOWN)
    )
    # A pool whose scrub date is not known is not itself unknown; one whose health is not known is.
    counted = [verdict for rule, (verdict, _) in judged.items() if rule == "zpool_health" or verdict != Verdict.UNKNOWN]
    scrubbed = scrub_end(pool) or newest.judged.snapshot.find_scrub_end(pool.name)
    return PoolView(
        pool=pool,
        verdict=min(counted, key=lambda one: SEVERITY[one], default=Verdict.UNKNOWN).value,
        capacity=capacity_percent(pool),
        capacity_verdict=judged.get("zpool_capacity", (Verdict.UNKNOWN, ""))[0].value,
        complaints=complaints,
        redundancy=redundancy_words(pool),
        scrubbed=unix(scrubbed),
        running=tuple(_running(pool)) if newest.is_current(Tier.FAST, "zfs_pools") else (),
        rows=tuple(vdev_rows(pool)),
        forecast=find_forecast(newest, "zpool", pool.name),
    )


def _judged(newest: Newest, pool: str) -> Iterator[tuple[str, tuple[Verdict, str]]]:
    for rule in POOL_RULES:
        finding = newest.judged.status.find(rule)
        for detail in finding.details if finding else ():
            if detail.subject == pool:
                yield rule, (detail.verdict, detail.message)


def redundancy_words(pool: Pool) -> str:
    """Say how many more devices the pool can lose."""
    left = pool.redundancy_left
    if left is None:
        return "not known"
    if left <= 0:
        return "none: one more failed device loses data"
    return f"{plural(left, 'more device')} may fail"


def _running(pool: Pool) -> Iterator[tuple[str, float | None]]:
    scans: list[Scan] = [*([pool.scan] if pool.scan else []), *(pool.rebuilds or ())]
    names = {"scrub": "Scrub", "resilver": "Resilver"}
    for scan in scans:
        if scan.state in ("scanning", "paused"):
            paused = ", paused" if scan.state == "paused" else ""
            yield f"{names.get(scan.function or '', 'Rebuild')} running{paused}", scan.percent


def vdev_rows(pool: Pool) -> Iterator[VdevRow]:
    """Give the vdevs from the top, parents before their children, each class below its heading."""
    previous = "data"
    for vdev in pool.vdevs or ():
        vdev_class = vdev.vdev_class or "data"
        heading = CLASSES.get(vdev_class, vdev_class) if vdev_class not in ("data", previous) else ""
        previous = vdev_class
        yield VdevRow(vdev, 0, heading)
        yield from (VdevRow(child, depth + 1) for depth, child in walk_vdevs(vdev.children))
