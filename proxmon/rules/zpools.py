"""Rules on zpools: health, capacity, errors and the age of the last scrub."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Verdict
from proxmon.payload import Pool, PoolsSection, Section, Tier, Vdev
from proxmon.rules.base import Case, Rule
from proxmon.rules.words import day, number, plural, span
from proxmon.scrubs import parse_scrub_end, scrub_end


def health(case: Case, pool: Pool) -> Detail:
    """Judge the pool's health: ONLINE passes, every other word is critical and shown as it came."""
    if pool.health is None:
        return Detail(pool.name, Verdict.UNKNOWN, f"{pool.name}: the agent did not send its health.")
    if pool.health == "ONLINE":
        return Detail(pool.name, Verdict.OK, f"{pool.name} is ONLINE", pool.health)
    return Detail(pool.name, Verdict.CRITICAL, f"{pool.name} is {pool.health}", pool.health)


def capacity(case: Case, pool: Pool) -> Detail:
    """Judge how full the pool is."""
    percent = capacity_percent(pool)
    if percent is None:
        return Detail(pool.name, Verdict.UNKNOWN, f"{pool.name}: the agent did not send its capacity.")
    verdict = Verdict.OK
    if percent > case.settings.capacity_critical_percent:
        verdict = Verdict.CRITICAL
    elif percent >= case.settings.capacity_warning_percent:
        verdict = Verdict.WARNING
    return Detail(pool.name, verdict, f"{pool.name} is {number(percent)} % full", percent)


def capacity_percent(pool: Pool) -> float | None:
    """Return the used share of the pool, from its sizes where the source did not say it."""
    if pool.capacity_percent is not None:
        return pool.capacity_percent
    if pool.size_bytes and pool.alloc_bytes is not None:
        return round(100 * pool.alloc_bytes / pool.size_bytes, 1)
    return None


def errors(case: Case, pool: Pool) -> Detail:
    """Judge read, write and checksum errors, damaged data and what the last scrub found."""
    counts = {
        "device error": _device_errors(pool),
        "data error": pool.data_error_count,
        "error in the last scrub": pool.scan.errors if pool.scan else None,
    }
    known = {noun: count for noun, count in counts.items() if count is not None}
    if not known:
        return Detail(pool.name, Verdict.UNKNOWN, f"{pool.name}: the agent did not send its error counts.")
    found = [_counted(count, noun) for noun, count in known.items() if count]
    if not found:
        return Detail(pool.name, Verdict.OK, f"{pool.name} has no errors", 0)
    return Detail(pool.name, Verdict.WARNING, f"{pool.name} has {', '.join(found)}", sum(known.values()))


def _counted(count: int, noun: str) -> str:
    head, _, tail = noun.partition(" in ")
    return plural(count, head) + (f" in {tail}" if tail else "")


def _device_errors(pool: Pool) -> int | None:
    counted = [count for vdev in walk(pool.vdevs) for count in error_counts(vdev)]
    total = max(sum(counted), pool.error_count or 0)
    return None if pool.error_count is None and not counted else total


def error_counts(vdev: Vdev) -> list[int]:
    """List the vdev's own read, write and checksum errors, as far as they are known."""
    counts = (vdev.read_errors, vdev.write_errors, vdev.checksum_errors)
    return [count for count in counts if count is not None]


def walk(vdevs: Iterable[Vdev]) -> Iterator[Vdev]:
    """Give every vdev of the tree, parents before their children."""
    for vdev in vdevs:
        yield vdev
        yield from walk(vdev.children)


def scrub_age(case: Case, pool: Pool) -> Detail:
    """Judge when the pool was last scrubbed to the end; a scrub that runs now is fresh."""
    scan = pool.scan
    if scan and scan.function == "scrub" and scan.state == "scanning":
        percent = "" if scan.percent is None else f", {number(scan.percent)} % done"
        return Detail(pool.name, Verdict.OK, f"{pool.name} is being scrubbed{percent}", 0)
    ended_at = scrub_end(pool) or case.host.last_scrubs.get(pool.name)
    if ended_at is None:
        return Detail(pool.name, Verdict.UNKNOWN, _no_scrub(pool))
    limit = timedelta(days=case.settings.scrub_max_days)
    age = case.now - ended_at
    value = max(0.0, age / timedelta(days=1))
    words = f"{pool.name} was last scrubbed {span(max(0.0, age.total_seconds()))} ago, on {day(ended_at)}"
    if age > limit:
        return Detail(pool.name, Verdict.WARNING, words, value)
    return Detail(pool.name, Verdict.OK, words, value, valid_until=ended_at + limit)


def _no_scrub(pool: Pool) -> str:
    if pool.last_scrub_end and parse_scrub_end(pool.last_scrub_end) is None:
        return f"{pool.name}: the date of the last scrub cannot be read: {pool.last_scrub_end[:64]}"
    if pool.scan and pool.scan.function:
        return f"{pool.name}: no finished scrub is known; the last scan was a {pool.scan.function}"
    return f"{pool.name} was never scrubbed"


def _each(judge: Callable[[Case, Pool], Detail]) -> Callable[[Case, Section], Iterator[Detail]]:
    def details(case: Case, section: Section) -> Iterator[Detail]:
        assert isinstance(section, PoolsSection)
        if section.pools is None:
            yield Detail("", Verdict.UNKNOWN, "The agent did not send a list of pools.")
        yield from (judge(case, pool) for pool in section.pools or ())

    return details


def _passed(words: str) -> Callable[[Sequence[Detail]], str]:
    def passed(details: Sequence[Detail]) -> str:
        if not details:
            return "No pools on this host"
        return details[0].message if len(details) == 1 else f"{plural(len(details), 'pool')}: {words}"

    return passed


def _capacity_threshold(settings: RuleSettings) -> str:
    warning, critical = settings.capacity_warning_percent, settings.capacity_critical_percent
    return f"warning from {number(warning)} %, critical above {number(critical)} %"


ZPOOL_HEALTH = Rule(
    name="zpool_health",
    tier=Tier.FAST,
    section="zfs_pools",
    threshold=lambda settings: "critical unless ONLINE",
    clears_when="Every pool is ONLINE: replace or reattach the failed devices, then `zpool clear`.",
    details=_each(health),
    passed=_passed("all ONLINE"),
)
ZPOOL_CAPACITY = Rule(
    name="zpool_capacity",
    tier=Tier.FAST,
    section="zfs_pools",
    threshold=_capacity_threshold,
    clears_when="Every pool is below the warning threshold: delete data or snapshots, or add vdevs.",
    details=_each(capacity),
    passed=_passed("all with room"),
    unit="%",
)
ZPOOL_ERRORS = Rule(
    name="zpool_errors",
    tier=Tier.FAST,
    section="zfs_pools",
    threshold=lambda settings: "warning above 0 errors",
    clears_when="No vdev counts errors and no data is damaged: see `zpool status -v`, scrub, then `zpool clear`.",
    details=_each(errors),
    passed=_passed("no errors"),
    unit="errors",
)
SCRUB_AGE = Rule(
    name="scrub_age",
    tier=Tier.FAST,
    section="zfs_pools",
    threshold=lambda settings: f"warning when older than {number(settings.scrub_max_days)} d",
    clears_when="A scrub of every pool has finished: `zpool scrub POOL`.",
    details=_each(scrub_age),
    passed=_passed("all scrubbed in time"),
    unit="d",
)
