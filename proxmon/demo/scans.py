"""Scrubs and resilvers of a simulated pool: which one was the last, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from proxmon.demo.failures import DiskFailure
from proxmon.demo.noise import DAY_SECONDS, HOUR_SECONDS, between
from proxmon.demo.roles import MISSED_SCRUB, SCRUBBED_BEFORE_DAYS, Role, role_of

# Debian's cron job scrubs on the second Sunday of each month at 00:24. Boot pools are done each Sunday here, so that
# a month tells how long a scrub of them usually takes.
SCRUB_START = timedelta(minutes=24)
SUNDAY = 6
BOOT_POOL = "rpool"
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Scan:
    """One scrub or resilver, in Unix seconds."""

    function: str
    starts_at: float
    ends_at: float

    def row(self, now: float) -> Json:
        """Return the scan in the contract's form."""
        is_running = now < self.ends_at
        percent = 100 * (now - self.starts_at) / (self.ends_at - self.starts_at)
        return {
            "function": self.function,
            "state": "scanning" if is_running else "finished",
            "percent": round(percent, 2) if is_running else None,
            "errors": None if is_running else 0,
            "start_at": iso(self.starts_at) if is_running else None,
            "end_at": None if is_running else iso(self.ends_at),
            "duration_seconds": None if is_running else int(self.ends_at) - int(self.starts_at),
        }


def last_scan(
    index: int, pool: str, now: float, begins_at: float, failures: list[DiskFailure], *, is_scrubbed: bool
) -> Scan | None:
    """Return the pool's last scan, or None when it never had one."""
    scans = list(_resilvers(index, pool, begins_at, failures))
    if is_scrubbed and role_of(index) is Role.UNSCRUBBED:
        scans += _missed_and_made_up(index, pool, now, begins_at)
    elif is_scrubbed:
        scans.append(weekly_scrub(index, pool, now) if pool == BOOT_POOL else monthly_scrub(index, pool, now))
    return max((scan for scan in scans if scan.starts_at <= now), key=lambda scan: scan.starts_at, default=None)


def monthly_scrub(index: int, pool: str, now: float) -> Scan:
    """Return the scrub that the host's cron job began last."""
    today = datetime.fromtimestamp(now, UTC)
    started = second_sunday(today.year, today.month) + SCRUB_START
    if started > today:
        last_month = today.replace(day=1) - timedelta(days=1)
        started = second_sunday(last_month.year, last_month.month) + SCRUB_START
    return _scrub(index, pool, started.timestamp())


def weekly_scrub(index: int, pool: str, now: float) -> Scan:
    """Return the scrub that the host's timer began last."""
    today = datetime.fromtimestamp(now - SCRUB_START.total_seconds(), UTC)
    sunday = today.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=(today.weekday() - SUNDAY) % 7)
    return _scrub(index, pool, (sunday + SCRUB_START).timestamp())


def _scrub(index: int, pool: str, starts_at: float) -> Scan:
    return Scan("scrub", starts_at, starts_at + scrub_seconds(index, pool, starts_at))


def scrub_seconds(index: int, pool: str, starts_at: float) -> float:
    """Return how long a scrub of the pool takes: minutes on its boot disks, hours on hard disks, each time about so."""
    fewest, most = (0.1, 0.6) if pool == BOOT_POOL else (3, 14)
    usual = HOUR_SECONDS * between(fewest, most, "scrub", index, pool)
    return usual * between(0.94, 1.06, "scrub", index, pool, int(starts_at))


def second_sunday(year: int, month: int) -> datetime:
    """Return the start of the second Sunday of a month, in UTC."""
    first = datetime(year, month, 1, tzinfo=UTC)
    return first + timedelta(days=(SUNDAY - first.weekday()) % 7 + 7)


def iso(unix: float) -> str:
    """Write a moment as the agent does: ISO 8601 in UTC, in whole seconds."""
    return datetime.fromtimestamp(int(unix), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _missed_and_made_up(index: int, pool: str, now: float, begins_at: float) -> Iterator[Scan]:
    """Give the scrubs of a pool whose cron job was off for a while, until somebody scrubbed it by hand."""
    before = begins_at - SCRUBBED_BEFORE_DAYS * DAY_SECONDS
    yield Scan("scrub", before - scrub_seconds(index, pool, before), before)
    by_hand = begins_at - MISSED_SCRUB.until_days * DAY_SECONDS
    yield _scrub(index, pool, by_hand)
    monthly = monthly_scrub(index, pool, now)
    if monthly.starts_at > by_hand:
        yield monthly


def _resilvers(index: int, pool: str, begins_at: float, failures: list[DiskFailure]) -> Iterator[Scan]:
    for failure in failures:
        yield Scan("resilver", begins_at + failure.replaced_at, begins_at + failure.healed_at)
        if failure.verified_from is not None:
            yield _scrub(index, pool, begins_at + failure.verified_from)
