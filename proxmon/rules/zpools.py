"""Rules on zpools: health, capacity, errors and the age of the last scrub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from operator import attrgetter

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Verdict
from proxmon.payload import Pool, PoolsSection, Scan, Section, Tier, Vdev
from proxmon.rules.base import Case, Rule, Summary, Words, judge_each
from proxmon.rules.words import day, listed, number, number_near, plural, span
from proxmon.scrubs import ZONES_SPAN, ScrubDate, parse_scrub_end, scrub_date
from proxmon.vdevs import walk_vdevs

ERROR_KINDS = ("read", "write", "checksum")


def health(case: Case, pool: Pool) -> Detail:
    """Judge the pool's health: ONLINE passes, every other word is critical and shown as it came."""
    if not pool.health:
        return Detail(pool.name, Verdict.UNKNOWN, f"{pool.name}: the agent did not send its health.")
    if pool.health == "ONLINE":
        return Detail(pool.name, Verdict.OK, f"{pool.name} is ONLINE", pool.health)
    return Detail(pool.name, Verdict.CRITICAL, f"{pool.name} is {pool.health}", pool.health)


def capacity(case: Case, pool: Pool) -> Detail:
    """Judge how full the pool is."""
    percent = capacity_percent(pool)
    if percent is None:
        return Detail(pool.name, Verdict.UNKNOWN, f"{pool.name}: the agent did not send its capacity.")
    warning, critical = case.settings.capacity_warning_percent, case.settings.capacity_critical_percent
    verdict = Verdict.CRITICAL if percent > critical else Verdict.WARNING if percent >= warning else Verdict.OK
    return Detail(pool.name, verdict, f"{pool.name} is {number_near(percent, warning, critical)} % full", percent)


def capacity_percent(pool: Pool) -> float | None:
    """Return the used share of the pool, from its sizes where the source did not say it."""
    if pool.capacity_percent is not None:
        return pool.capacity_percent
    if pool.size_bytes and pool.alloc_bytes is not None:
        return 100 * pool.alloc_bytes / pool.size_bytes
    return None


def errors(case: Case, pool: Pool) -> Detail:
    """Judge read, write and checksum errors, damaged data and what the last scan found."""
    counts = [
        (_device_errors(pool), "device error", ""),
        (pool.data_error_count, "data error", ""),
        *((scan_errors(scan), "error", f" in the {_scan_words(scan)}") for scan in list_scans(pool)),
    ]
    found = [(count, plural(count, noun) + where) for count, noun, where in counts if count]
    if found:
        words = ", ".join(words for _, words in found)
        return Detail(pool.name, Verdict.WARNING, f"{pool.name} has {words}", sum(count for count, _ in found))
    missing = [f"{noun}s{where}" for count, noun, where in counts if count is None]
    if missing:
        return Detail(pool.name, Verdict.UNKNOWN, f"{pool.name}: the agent did not send its {listed(missing)}.")
    return Detail(pool.name, Verdict.OK, f"{pool.name} has no errors", 0)


def list_scans(pool: Pool) -> list[Scan]:
    """List the pool's last scan and its sequential rebuilds; a pool that was never scanned has none."""
    return [*([pool.scan] if pool.scan else []), *(pool.rebuilds or ())]


def scan_errors(scan: Scan) -> int | None:
    """Return what a scan found; one that has not ended yet, or was canceled, has found nothing that we know of."""
    return 0 if scan.errors is None and scan.state in ("scanning", "paused", "canceled") else scan.errors


def _scan_words(scan: Scan) -> str:
    state = {"scanning": "running", "paused": "paused", "canceled": "canceled"}.get(scan.state or "", "last")
    return f"{state} {scan.function or 'scan'}"


def _device_errors(pool: Pool) -> int | None:
    """Return what the vdevs count; None when that is not known of all of them."""
    vdevs = [vdev for _, vdev in walk_vdevs(pool.vdevs) if vdev.vdev_class != "spare"]
    leaves = [vdev for vdev in vdevs if not vdev.children]
    counted = sum(sum(error_counts(vdev)) for vdev in leaves) or sum(sum(error_counts(vdev)) for vdev in vdevs)
    if counted or pool.error_count is not None:
        return max(counted, pool.error_count or 0)
    return 0 if leaves and all(len(error_counts(vdev)) == len(ERROR_KINDS) for vdev in leaves) else None


def error_counts(vdev: Vdev) -> list[int]:
    """List the vdev's own read, write and checksum errors, as far as they are known."""
    counts = (vdev.read_errors, vdev.write_errors, vdev.checksum_errors)
    return [count for count in counts if count is not None]


def scrub_age(case: Case, pool: Pool) -> Detail:
    """Judge when the pool was last scrubbed to the end; a scrub that runs now is fresh."""
    scan = pool.scan
    if scan and scan.function == "scrub" and scan.state == "scanning":
        percent = "" if scan.percent is None else f", {number(scan.percent)} % done"
        return Detail(pool.name, Verdict.OK, f"{pool.name} is being scrubbed{percent}", 0)
    date = scrub_date(pool) or _known_date(case, pool)
    if date is None:
        return Detail(pool.name, Verdict.UNKNOWN, _no_scrub(pool))
    tolerance = timedelta(seconds=case.settings.clock_max_seconds)
    if date.is_after(case.now, tolerance):
        words = f"{pool.name}: its last scrub is dated in the future, {day(date.at)}: check the host's clock"
        return Detail(pool.name, Verdict.UNKNOWN, words, valid_until=date.at - tolerance - date.uncertainty)
    limit = timedelta(days=case.settings.scrub_max_days)
    age = max(timedelta(0), case.now - date.at)
    words = f"{pool.name} was last scrubbed {span(age.total_seconds())} ago, on {day(date.at)}"
    if age > limit:
        return Detail(pool.name, Verdict.WARNING, words, age / timedelta(days=1))
    return Detail(pool.name, Verdict.OK, words, age / timedelta(days=1), valid_until=date.at + limit)


def _known_date(case: Case, pool: Pool) -> ScrubDate | None:
    known = case.host.find_scrub_end(pool.name)
    return ScrubDate(known, ZONES_SPAN) if known else None


def _no_scrub(pool: Pool) -> str:
    if pool.last_scrub_end and parse_scrub_end(pool.last_scrub_end) is None:
        return f"{pool.name}: the date of the last scrub cannot be read: {pool.last_scrub_end[:64]}"
    if pool.scan and pool.scan.function:
        return f"{pool.name}: no finished scrub is known; the last scan was a {pool.scan.function}"
    return f"{pool.name} was never scrubbed"


def redundancy(case: Case, pool: Pool) -> Detail:
    """Judge whether a pool that lost devices could lose one more; a pool that never had a spare device passes."""
    left = pool.redundancy_left
    is_used_up = left is not None and left <= 0 and pool.health not in (None, "ONLINE")
    if is_used_up:
        words = f"{pool.name} is {pool.health} without redundancy: one more failed device loses data"
        return Detail(pool.name, Verdict.CRITICAL, words, left)
    words = f"{pool.name} can lose {plural(left, 'device')}" if left else f"{pool.name} lost no redundancy"
    return Detail(pool.name, Verdict.OK, words, left)


def _each(name: str, judge: Callable[[Case, Pool], Detail], words: Words) -> Callable[[Case, Section], Summary]:
    def summarize(case: Case, section: Section) -> Summary:
        assert isinstance(section, PoolsSection)
        if section.pools is None:
            return Summary.of([Detail("", Verdict.UNKNOWN, "The agent did not send a list of pools.")])
        return Summary.of(judge_each(case, name, section.pools, judge, words))

    return summarize


def of_pools(read: Callable[[Pool], object]) -> Callable[[PoolsSection], object]:
    """Return what reads something of every pool of a section."""
    return lambda section: section.pools and list(map(read, section.pools))


def _name_and_capacity(pool: Pool) -> object:
    return pool.name, capacity_percent(pool)


def _passed(words: str) -> Callable[[Sequence[Detail]], str]:
    def passed(details: Sequence[Detail]) -> str:
        if not details:
            return "No pools on this host"
        return details[0].message if len(details) == 1 else f"{plural(len(details), 'pool')}: {words}"

    return passed


def _capacity_threshold(settings: RuleSettings) -> str:
    warning, critical = settings.capacity_warning_percent, settings.capacity_critical_percent
    return f"warning from {number(warning)} %, critical above {number(critical)} %"


def _tells_redundancy(section: Section) -> bool:
    assert isinstance(section, PoolsSection)
    return any(pool.redundancy_left is not None for pool in section.pools or ())


def _rule(
    name: str,
    judge: Callable[[Case, Pool], Detail],
    *,
    threshold: Words,
    clears_when: str,
    passed: str,
    unit: str = "",
    reads: Callable[[PoolsSection], object],
    applies: Callable[[Section], bool] | None = None,
) -> Rule:
    return Rule(
        name=name,
        tier=Tier.FAST,
        section="zfs_pools",
        threshold=threshold,
        clears_when=clears_when,
        summarize=_each(name, judge, threshold),
        passed=_passed(passed),
        unit=unit,
        reads=reads,
        applies=applies,
    )


ZPOOL_HEALTH = _rule(
    "zpool_health",
    health,
    threshold=lambda settings: "critical unless ONLINE",
    clears_when="Every pool is ONLINE: replace or reattach the failed devices, then `zpool clear`.",
    passed="all ONLINE",
    reads=of_pools(attrgetter("name", "health")),
)
ZPOOL_CAPACITY = _rule(
    "zpool_capacity",
    capacity,
    threshold=_capacity_threshold,
    clears_when="Every pool is below the warning threshold: delete data or snapshots, or add vdevs.",
    passed="all with room",
    unit="%",
    reads=of_pools(_name_and_capacity),
)
ZPOOL_ERRORS = _rule(
    "zpool_errors",
    errors,
    threshold=lambda settings: "warning above 0 errors",
    clears_when="No vdev counts errors and no data is damaged: see `zpool status -v`, scrub, then `zpool clear`.",
    passed="no errors",
    unit="errors",
    reads=of_pools(attrgetter("name", "vdevs", "error_count", "data_error_count", "scan", "rebuilds")),
)
SCRUB_AGE = _rule(
    "scrub_age",
    scrub_age,
    threshold=lambda settings: f"warning when older than {number(settings.scrub_max_days)} d",
    clears_when="A scrub of every pool has finished: `zpool scrub POOL`.",
    passed="all scrubbed in time",
    unit="d",
    reads=of_pools(attrgetter("name", "last_scrub_end", "scan")),
)
REDUNDANCY = _rule(
    "redundancy",
    redundancy,
    threshold=lambda settings: "critical when a pool that is not ONLINE cannot lose another device",
    clears_when="The failed devices are replaced and the pool has resilvered.",
    passed="none without the redundancy that it had",
    unit="devices",
    reads=of_pools(attrgetter("name", "health", "redundancy_left")),
    applies=_tells_redundancy,
)
